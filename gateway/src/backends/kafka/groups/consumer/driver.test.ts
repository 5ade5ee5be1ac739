// One member at a coordinator in memory: what it says, when, and what it makes of answers, lost ones and errors.
import type { LogError } from 'distributedlog/protocol';
import type { Assignment, MemberWishes } from 'distributedlog/server';
import { ManualClock } from 'distributedlog/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseKafkaLogOptions } from '../../options.ts';
import { ConsumerDriver } from './driver.ts';
import { LEAVES, LEAVES_FOR_A_WHILE } from './requests.ts';
import { type Fate, INTERVAL_MS, SESSION_MS, TestCluster, TestCoordinator } from './test-coordinator.ts';

const settings = parseKafkaLogOptions({ brokers: ['none'] });
const wishesOf = (...topics: string[]): MemberWishes => ({
  topics,
  sessionTimeoutMs: 30_000,
  rebalanceTimeoutMs: 60_000,
  maxPollIntervalMs: 300_000,
});
const textOf = ({ partitions }: Pick<Assignment, 'partitions'>): string =>
  partitions
    .flatMap((of) => of.partitions.map((n) => `${of.topic}${n}`))
    .sort()
    .join(' ');

class Bench {
  readonly clock = new ManualClock();
  readonly coordinator = new TestCoordinator(this.clock);
  readonly cluster = new TestCluster(this.coordinator, this.clock, settings);
  #names = 0;

  constructor(topics: Readonly<Record<string, number>> = { t: 4 }) {
    for (const [name, partitions] of Object.entries(topics)) this.coordinator.setTopic(name, partitions);
  }

  /** `letsGoAfterMs`: how long its client takes to give up what it must; undefined: for ever. */
  client(options: { instanceId?: string; replaces?: string; topics?: string[]; letsGoAfterMs?: number } = {}): Client {
    const memberId = `m${this.#names++}`;
    const { instanceId = `i of ${memberId}`, replaces, topics = ['t'], letsGoAfterMs } = options;
    return new Client(this, memberId, instanceId, replaces, wishesOf(...topics), letsGoAfterMs);
  }
  async joined(options: Parameters<Bench['client']>[0] = {}): Promise<Client> {
    const client = this.client(options);
    await this.clock.run(client.join());
    return client;
  }
}

class Client {
  readonly driver: ConsumerDriver;
  readonly instanceId: string;
  readonly told: string[] = [];
  fenced: LogError | undefined;
  readonly #bench: Bench;
  readonly #letsGoAfterMs: number | undefined;

  constructor(
    bench: Bench,
    memberId: string,
    instanceId: string,
    replaces: string | undefined,
    wishes: MemberWishes,
    letsGoAfterMs: number | undefined,
  ) {
    this.#bench = bench;
    this.#letsGoAfterMs = letsGoAfterMs;
    this.instanceId = instanceId;
    this.driver = new ConsumerDriver(
      bench,
      { groupId: 'g', memberId, instanceId, replaces, wishes },
      {
        onAssignment: (assignment) => this.#hear(assignment),
        onFenced: (error) => {
          this.fenced = error;
        },
      },
    );
  }

  async join(): Promise<void> {
    this.#hear(await this.driver.join());
  }
  owns(): string {
    return this.told.at(-1) ?? '';
  }
  #hear(assignment: Assignment): void {
    this.told.push(textOf(assignment));
    if (this.#letsGoAfterMs === undefined) return;
    this.#bench.clock.after(this.#letsGoAfterMs, () =>
      this.driver.owned(assignment.memberEpoch, assignment.partitions),
    );
  }
}

describe('a member', () => {
  it('says everything when it joins, and nothing twice: what stays as it is is left out', async () => {
    const bench = new Bench();
    const client = await bench.joined({ letsGoAfterMs: 0 });
    await bench.clock.tick(3 * INTERVAL_MS + 50);
    const [first, ...others] = bench.coordinator.beats;
    expect(first).toMatchObject({ memberEpoch: 0, topics: ['t'], assignor: 'uniform', owned: [] });
    expect(others).toHaveLength(3);
    for (const beat of others) {
      expect(beat).toEqual({ groupId: 'g', memberId: 'm0', instanceId: client.instanceId, memberEpoch: 2 });
    }
    expect(client.told).toEqual(['t0 t1 t2 t3']);
    client.driver.stop();
  });

  it('gives up what it must when its client has, at once, and only then others get it', async () => {
    const bench = new Bench();
    const first = await bench.joined({ letsGoAfterMs: 500 });
    const second = await bench.joined({ letsGoAfterMs: 0 });
    await bench.clock.tick(INTERVAL_MS + 20);
    expect([first.owns(), second.owns()]).toEqual(['t0 t1', '']);
    expect([first.driver.owns({ topicId: 'id of t', partition: 3 }), first.driver.revoking().length]).toEqual([
      true,
      2,
    ]);
    await bench.clock.tick(520);
    expect(first.driver.owns({ topicId: 'id of t', partition: 3 })).toBe(false);
    const told = bench.coordinator.beats.findLast(({ memberId }) => memberId === 'm0');
    expect(told?.owned).toEqual([expect.objectContaining({ topicId: 'id of t', partitions: [0, 1] })]);
    await bench.clock.tick(INTERVAL_MS);
    expect(second.owns()).toBe('t2 t3');
  });

  it('says what its client gave up while an answer was awaited', async () => {
    const bench = new Bench();
    const first = await bench.joined();
    const second = await bench.joined({ letsGoAfterMs: 0 });
    await bench.clock.tick(INTERVAL_MS + 20);
    const refreshed = first.driver.refresh();
    await bench.clock.tick(1);
    first.driver.owned(first.driver.memberEpoch, [{ topicId: 'id of t', partitions: [0, 1] }]);
    await bench.clock.run(refreshed);
    await bench.clock.tick(INTERVAL_MS + 20);
    expect(second.owns()).toBe('t2 t3');
  });

  it('whose client gives nothing up keeps others waiting, and says so to nobody', async () => {
    const bench = new Bench();
    const first = await bench.joined();
    const second = await bench.joined({ letsGoAfterMs: 0 });
    await bench.clock.tick(2 * INTERVAL_MS);
    expect(first.owns()).toBe('t0 t1');
    bench.cluster.fates = Array.from({ length: 8 }, () => 'answer lost' as const);
    await bench.clock.tick(5 * INTERVAL_MS);
    expect([first.owns(), second.owns(), first.driver.revoking().length]).toEqual(['t0 t1', '', 2]);
    const full = bench.coordinator.beats.findLast((beat) => beat.memberId === 'm0' && beat.owned !== undefined);
    expect(full?.owned?.flatMap(({ partitions }) => partitions)).toEqual(expect.arrayContaining([2, 3]));
  });

  it.each<Fate>(['request lost', 'answer lost', 'not coordinator'])(
    'goes on as it was after a heartbeat whose fate is "%s": it says everything again',
    async (fate) => {
      const bench = new Bench();
      const client = await bench.joined({ letsGoAfterMs: 0 });
      bench.coordinator.setTopic('t', 5);
      bench.cluster.fates = [fate, fate, fate];
      await bench.clock.tick(3 * INTERVAL_MS);
      expect(client.told).toEqual(['t0 t1 t2 t3', 't0 t1 t2 t3 t4']);
      expect(client.fenced).toBeUndefined();
      expect(bench.coordinator.members.size).toBe(1);
    },
  );

  it('gets in though the answer to its joining was lost', async () => {
    const bench = new Bench();
    const client = bench.client();
    bench.cluster.fates = ['answer lost'];
    await bench.clock.run(client.join());
    expect(client.owns()).toBe('t0 t1 t2 t3');
    expect(bench.coordinator.members.size).toBe(1);
  });

  it('that cannot join in time rejects, and leaves nothing behind', async () => {
    const bench = new Bench();
    const client = bench.client();
    bench.cluster.fates = Array.from({ length: 60 }, () => 'answer lost' as const);
    await expect(bench.clock.run(client.join())).rejects.toMatchObject({ code: 'BROKER_NOT_AVAILABLE' });
    await bench.clock.tick(SESSION_MS);
    expect(bench.coordinator.describe().members).toEqual([]);
    expect(bench.clock.pending).toBe(0);
  });

  it('takes another one’s place: it has what that one had, nobody else notices, and that one is fenced', async () => {
    const bench = new Bench();
    const other = await bench.joined({ letsGoAfterMs: 0 });
    const older = await bench.joined({ letsGoAfterMs: 0 });
    await bench.clock.tick(3 * INTERVAL_MS);
    const [had, epoch, told] = [older.owns(), bench.coordinator.epoch, [...other.told]];
    const newer = await bench.joined({ instanceId: older.instanceId, replaces: older.driver.memberId });
    expect(newer.owns()).toBe(had);
    await bench.clock.tick(2 * INTERVAL_MS);
    expect(older.fenced?.code).toBe('FENCED_INSTANCE_ID');
    await bench.clock.run(older.driver.leave());
    expect([bench.coordinator.epoch, other.told, newer.told]).toEqual([epoch, told, [had]]);
  });

  it('whose heartbeat comes while another one takes its place hears why, not only that its epoch is wrong', async () => {
    const bench = new Bench();
    const older = await bench.joined();
    const { instanceId } = older;
    bench.coordinator.heartbeat({ groupId: 'g', memberId: 'm0', instanceId, memberEpoch: LEAVES_FOR_A_WHILE });
    await bench.clock.tick(INTERVAL_MS + 50);
    expect(older.fenced?.code).toBe('FENCED_INSTANCE_ID');
  });

  it('that comes for the place of one who lost it already gets nobody else’s', async () => {
    const bench = new Bench();
    const older = await bench.joined();
    const { instanceId, driver } = older;
    const newer = await bench.joined({ instanceId, replaces: driver.memberId });
    const late = bench.client({ instanceId, replaces: driver.memberId });
    await expect(bench.clock.run(late.join())).rejects.toMatchObject({ code: 'FENCED_INSTANCE_ID' });
    await bench.clock.tick(2 * INTERVAL_MS);
    expect([newer.fenced, newer.owns()]).toEqual([undefined, 't0 t1 t2 t3']);
    // The one that it came for makes room at the same moment as for another one.
    const [first, second] = [0, 1].map(() => bench.client({ instanceId, replaces: newer.driver.memberId }));
    const outcomes = await bench.clock.run(Promise.allSettled([first?.join(), second?.join()]));
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('takes the place of who has its instance id, whoever that is', async () => {
    const bench = new Bench();
    const older = await bench.joined({ instanceId: 'i' });
    const newer = await bench.joined({ instanceId: 'i' });
    expect(newer.owns()).toBe('t0 t1 t2 t3');
    await bench.clock.tick(INTERVAL_MS + 50);
    expect(older.fenced?.code).toBe('FENCED_INSTANCE_ID');
  });

  it('that the coordinator has no more is told so, once, and says nothing after', async () => {
    const bench = new Bench();
    const client = await bench.joined();
    bench.coordinator.members.clear();
    await bench.clock.tick(5 * INTERVAL_MS);
    expect(client.fenced?.code).toBe('UNKNOWN_MEMBER_ID');
    expect(bench.coordinator.beats).toHaveLength(2);
    expect(bench.clock.pending).toBe(0);
    await expect(client.driver.refresh()).rejects.toMatchObject({ code: 'UNKNOWN_MEMBER_ID' });
  });

  it('states another subscription at once, and resolves with what it owns then', async () => {
    const bench = new Bench({ t: 1, u: 2 });
    const client = await bench.joined({ letsGoAfterMs: 0 });
    const before = bench.clock.now();
    const assignment = await bench.clock.run(client.driver.update(wishesOf('t', 'u')));
    expect(textOf(assignment)).toBe('t0 u0 u1');
    expect(bench.clock.now() - before).toBeLessThan(INTERVAL_MS);
    const beats = bench.coordinator.beats.length;
    await bench.clock.run(client.driver.update(wishesOf('u', 't', 't')));
    expect(bench.coordinator.beats).toHaveLength(beats);
  });

  it('leaves for good, also while its coordinator cannot be reached for a moment', async () => {
    const bench = new Bench();
    const client = await bench.joined();
    bench.cluster.fates = ['request lost', 'not coordinator'];
    await bench.clock.run(client.driver.leave());
    expect(bench.coordinator.beats.at(-1)).toMatchObject({ memberEpoch: LEAVES });
    expect(bench.coordinator.members.size).toBe(0);
  });

  it('gives up what its client was never told of, since nobody knew the topic, and is told of it once somebody does', async () => {
    const bench = new Bench({ u: 2 });
    bench.cluster.hidden.add('u');
    const first = await bench.joined({ topics: ['u'], letsGoAfterMs: 0 });
    const second = await bench.joined({ topics: ['u'], letsGoAfterMs: 0 });
    await bench.clock.tick(4 * INTERVAL_MS);
    // Nobody waits for anybody: what the first must give up is the second’s, though neither was told of it.
    const { members } = bench.coordinator;
    expect([...members.values()].map(({ assigned, pending }) => [assigned.size, pending.size])).toEqual([
      [1, 0],
      [1, 0],
    ]);
    bench.cluster.hidden.clear();
    await bench.clock.tick(INTERVAL_MS + 20);
    expect([first.owns(), second.owns()].sort()).toEqual(['u0', 'u1']);
  });

  it('keeps what its client was told since it answered: a late answer lets go of nothing that it may work on', async () => {
    const bench = new Bench({ t: 4, u: 2 });
    const first = await bench.joined();
    const second = await bench.joined({ letsGoAfterMs: 0 });
    await bench.clock.tick(INTERVAL_MS + 20);
    expect(first.owns()).toBe('t0 t1');
    first.driver.owned(first.driver.memberEpoch, [{ topicId: 'id of t', partitions: [0, 1] }]);
    await bench.clock.tick(INTERVAL_MS + 20);
    const before = first.driver.memberEpoch;
    // It gets everything, and has to give half of it up again before its client has heard of either.
    await bench.clock.run(second.driver.leave());
    await bench.clock.tick(INTERVAL_MS + 20);
    const third = await bench.joined({ letsGoAfterMs: 0 });
    await bench.clock.tick(INTERVAL_MS + 20);
    expect([first.told.slice(-2), first.driver.memberEpoch > before]).toEqual([['t0 t1 t2 t3', 't0 t1'], true]);
    first.driver.owned(before, [{ topicId: 'id of t', partitions: [0, 1] }]);
    await bench.clock.tick(2 * INTERVAL_MS);
    expect([first.driver.owns({ topicId: 'id of t', partition: 2 }), third.owns()]).toEqual([true, '']);
    first.driver.owned(first.driver.memberEpoch, [{ topicId: 'id of t', partitions: [0, 1] }]);
    await bench.clock.tick(INTERVAL_MS + 20);
    expect(third.owns()).toBe('t2 t3');
  });

  it('refreshes with a heartbeat that began after it was asked', async () => {
    const bench = new Bench();
    const client = await bench.joined();
    await bench.clock.tick(INTERVAL_MS + 1);
    const [under, way] = [client.driver.refresh(), bench.coordinator.beats.length];
    await bench.clock.run(under);
    expect(bench.coordinator.beats.length - way).toBeGreaterThan(1);
  });
});

describe('members, whatever happens', () => {
  type Step =
    | { readonly type: 'join' | 'leave' | 'takeUp' | 'die' | 'subscribe'; readonly who: number }
    | { readonly type: 'grow' }
    | { readonly type: 'fates'; readonly fates: Fate[] }
    | { readonly type: 'tick'; readonly ms: number };
  const who = fc.nat(3);
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('join' as const, 'takeUp' as const), who }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('leave' as const, 'die' as const), who }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('subscribe' as const), who }) },
    { weight: 1, arbitrary: fc.constant({ type: 'grow' as const }) },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant('fates' as const),
        fates: fc.array(fc.constantFrom<Fate>('well', 'request lost', 'answer lost', 'not coordinator'), {
          maxLength: 6,
        }),
      }),
    },
    { weight: 6, arbitrary: fc.record({ type: fc.constant('tick' as const), ms: fc.nat(2_500) }) },
  );

  class Play {
    readonly bench = new Bench({ t: 5, u: 2 });
    readonly slots = new Map<number, Client>();
    /** Those nobody knows of any more: another one has their place, or they left. */
    readonly past: Client[] = [];
    #partitions = 5;

    async run(steps: readonly Step[]): Promise<void> {
      for (const one of steps) {
        await this.#play(one);
        this.check();
      }
    }
    async #play(one: Step): Promise<void> {
      const { bench } = this;
      const client = 'who' in one ? this.slots.get(one.who) : undefined;
      switch (one.type) {
        case 'join':
          if (client === undefined || client.fenced !== undefined)
            this.#enter(one.who, bench.client({ ...slow(one.who) }));
          return;
        case 'takeUp':
          if (client === undefined || client.fenced !== undefined || client.told.length === 0) return;
          this.past.push(client);
          this.#enter(
            one.who,
            bench.client({
              ...slow(one.who),
              instanceId: client.instanceId,
              replaces: client.driver.memberId,
              // Who takes up a member with another subscription may have to give up what it was never given: not played here.
              topics: [...(bench.coordinator.members.get(client.driver.memberId)?.topics ?? ['t'])],
            }),
          );
          return;
        case 'leave':
        case 'die':
          if (client === undefined) return;
          this.slots.delete(one.who);
          this.past.push(client);
          if (one.type === 'leave') void client.driver.leave();
          else client.driver.stop();
          return;
        case 'subscribe':
          client?.driver.update(wishesOf('t', 'u')).catch(() => undefined);
          return;
        case 'grow':
          bench.coordinator.setTopic('t', ++this.#partitions);
          return;
        case 'fates':
          bench.cluster.fates = [...one.fates];
          return;
        case 'tick':
          for (let ms = 0; ms < one.ms; ms += 100) {
            await bench.clock.tick(100);
            this.check();
          }
      }
    }
    #enter(slot: number, client: Client): void {
      this.slots.set(slot, client);
      client.join().catch(() => {
        if (this.slots.get(slot) === client) this.slots.delete(slot);
      });
    }

    /** Of those that are members, one at most may work on a partition. */
    check(): void {
      const { members } = this.bench.coordinator;
      const owners = new Map<string, string>();
      for (const client of this.slots.values()) {
        const { memberId } = client.driver;
        if (client.fenced !== undefined || !members.has(memberId)) continue;
        for (const [name, count] of this.bench.coordinator.topics) {
          for (let partition = 0; partition < count; partition++) {
            if (!client.driver.owns({ topicId: `id of ${name}`, partition })) continue;
            const key = `${name}${partition}`;
            expect([key, owners.get(key)]).toEqual([key, undefined]);
            owners.set(key, memberId);
          }
        }
      }
    }

    /** When nothing happens any more everybody has what the coordinator thinks. */
    async settle(): Promise<void> {
      const { bench } = this;
      bench.cluster.fates = [];
      for (const [slot, client] of [...this.slots]) if (client.fenced !== undefined) this.slots.delete(slot);
      await bench.clock.tick(3 * SESSION_MS);
      const live = [...this.slots.values()].filter(({ fenced }) => fenced === undefined);
      expect(bench.coordinator.describe().members).toHaveLength(live.length);
      const owned = live.flatMap((client) => client.owns().split(' ')).filter((name) => name !== '');
      expect(new Set(owned).size).toBe(owned.length);
      const names = owned.filter((name) => name.startsWith('t'));
      expect(names.length).toBe(live.length === 0 ? 0 : this.#partitions);
      for (const { driver } of live) expect(driver.revoking()).toEqual([]);
    }
  }
  const slow = (slot: number): { letsGoAfterMs: number } => ({ letsGoAfterMs: slot * 150 });

  it('a partition has one owner at most, and one in the end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const play = new Play();
        await play.run(steps);
        await play.settle();
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it('nobody is fenced but by a successor, its session’s end, or its own leaving', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const play = new Play();
        // What an answer said that was lost, and was followed by yet another change, nobody can know.
        await play.run(
          steps.map((one) =>
            one.type === 'fates' ? { ...one, fates: one.fates.filter((fate) => fate !== 'answer lost') } : one,
          ),
        );
        await play.settle();
        for (const client of play.slots.values()) {
          if (client.fenced === undefined) continue;
          expect([client.fenced.code, play.bench.coordinator.expired.has(client.driver.memberId)]).toEqual(['', true]);
        }
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});
