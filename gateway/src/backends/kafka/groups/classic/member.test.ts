import type { Assignment, AssignorName } from 'distributedlog/server';
import { ManualClock } from 'distributedlog/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Metadata } from '../../metadata.ts';
import { hiddenInstanceId, newMemberId } from '../identity.ts';
import { ClassicMember, type Topics } from './member.ts';
import { TestCoordinator } from './test-coordinator.ts';

const NOWHERE = { brokers: [], clusterId: 'c', controllerId: 0 };

class World {
  readonly clock = new ManualClock();
  readonly coordinator = new TestCoordinator(this.clock);
  readonly clients: Client[] = [];
  readonly random: () => number;
  lossy = false;
  wrong: string | undefined;
  #metadata = Metadata.NONE;
  readonly #listeners = new Set<() => void>();

  constructor(seed: number) {
    let state = seed | 1;
    this.random = () => {
      state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5;
      return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
    };
  }

  get topics(): Topics {
    const metadata = () => this.#metadata;
    return {
      get metadata() {
        return metadata();
      },
      onMetadata: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
      refresh: async () => this.#metadata,
    };
  }
  setTopics(sizes: Readonly<Record<string, number>>): void {
    const topics = Object.entries(sizes).map(([name, size]) => ({
      errorCode: 0,
      name,
      topicId: `id-of-${name}`,
      isInternal: false,
      partitions: Array.from({ length: size }, (_, i) => ({ partitionIndex: i, leaderId: 0, leaderEpoch: 0 })),
    }));
    this.#metadata = new Metadata({ ...NOWHERE, topics });
    for (const listener of [...this.#listeners]) listener();
  }

  /** What clients work on. */
  hands(): string[] {
    return this.clients.flatMap(({ hands }) => [...hands]).sort();
  }
  /** Whenever somebody takes something. */
  judge(): void {
    const hands = this.hands();
    if (new Set(hands).size === hands.length) return;
    this.wrong ??= `in two hands: ${this.clients.map(({ name, hands: own }) => `${name} ${[...own]}`).join('; ')}`;
  }
  async pass(ms: number): Promise<void> {
    await this.clock.tick(ms);
    expect(this.wrong).toBe(undefined);
  }
  /** Resolves when nothing has happened for a while. */
  async settled(): Promise<void> {
    let last = '';
    for (let quiet = 0, turns = 0; quiet < 10; turns++) {
      await this.pass(1_000);
      const { state, generation } = this.coordinator;
      const isCalm = ['Stable', 'Empty'].includes(state) && this.clients.every((one) => one.isCalm);
      const now = `${state} ${generation} ${this.hands()}`;
      quiet = isCalm && now === last ? quiet + 1 : 0;
      last = now;
      expect(turns, now).toBeLessThan(300);
    }
  }
}

/** Does as it is told, after a while; gives up where a real one would begin anew. */
class Client {
  readonly name: string;
  readonly hands = new Set<string>();
  member: ClassicMember;
  joined = false;
  topics: readonly string[];
  readonly #world: World;
  readonly #assignor: AssignorName;
  readonly #instanceId: string;
  #owed = 0;
  /** How often it was told something: only the newest counts. */
  #turn = 0;

  constructor(world: World, topics: readonly string[], assignor: AssignorName) {
    this.name = `m${world.clients.length}`;
    this.topics = topics;
    this.#world = world;
    this.#assignor = assignor;
    this.#instanceId = hiddenInstanceId(newMemberId(this.name, world.random));
    this.member = this.#drive(undefined);
    world.clients.push(this);
  }

  get isCalm(): boolean {
    return !this.joined || (this.#owed === 0 && this.member.revoking().length === 0);
  }

  async join(): Promise<void> {
    try {
      const first = await this.member.join();
      this.joined = true;
      this.#follow(first);
    } catch {
      this.#lose();
    }
  }
  async update(topics: readonly string[]): Promise<void> {
    this.topics = topics;
    const { member } = this;
    try {
      const now = await member.update(this.#wishes);
      if (member === this.member) this.#follow(now);
    } catch {
      // It was fenced, has left, or another gateway speaks for it.
    }
  }
  async leave(): Promise<void> {
    this.#lose();
    this.topics = [];
    await this.member.leave();
  }
  /** Its gateway is gone without a word, and another one speaks for it. It works on meanwhile. */
  async takeOver(): Promise<void> {
    const before = this.member;
    before.stop();
    const member = this.#drive(before.memberId);
    this.member = member;
    try {
      const first = await member.join();
      if (member === this.member) this.#follow(first);
    } catch {
      if (member !== this.member) return;
      // Until its session ends; here at once.
      await this.#world.coordinator.leave({ memberId: '', instanceId: this.#instanceId });
      this.#lose();
    }
  }

  get #wishes() {
    const timeouts = { sessionTimeoutMs: 1_000_000, rebalanceTimeoutMs: 900_000, maxPollIntervalMs: 1_000_000 };
    return { ...timeouts, topics: this.topics, assignor: this.#assignor };
  }
  #drive(replaces: string | undefined): ClassicMember {
    const { clock, random, topics, coordinator } = this.#world;
    const member: ClassicMember = new ClassicMember({
      clock,
      random,
      topics,
      coordinator: coordinator.reach(clock, random, () => this.#world.lossy && random() < 0.15),
      request: { groupId: 'g', instanceId: this.#instanceId, memberId: this.name, replaces, wishes: this.#wishes },
      listener: {
        onAssignment: (assignment) => {
          if (member === this.member) this.#follow(assignment);
        },
        onFenced: () => {
          if (member === this.member) this.#lose();
        },
      },
    });
    return member;
  }
  #lose(): void {
    this.hands.clear();
    this.joined = false;
  }
  #follow({ memberEpoch, partitions }: Assignment): void {
    const { clock, random } = this.#world;
    if (!this.joined) return;
    const target = new Set(partitions.flatMap(({ topic, partitions: all }) => all.map((one) => `${topic}/${one}`)));
    for (const key of target) this.hands.add(key);
    this.#world.judge();
    this.#owed++;
    const turn = ++this.#turn;
    clock.after(random() * 2_000, () => {
      this.#owed--;
      if (!this.joined || turn < this.#turn) return;
      for (const key of [...this.hands]) if (!target.has(key)) this.hands.delete(key);
      const byTopic = new Map<string, number[]>();
      for (const key of this.hands) {
        const [topic = '', partition] = key.split('/');
        byTopic.set(topic, [...(byTopic.get(topic) ?? []), Number(partition)]);
      }
      const owned = [...byTopic].map(([topic, all]) => ({ topicId: `id-of-${topic}`, partitions: all }));
      this.member.owned(memberEpoch, owned);
    });
  }
}

const topicsOf = fc.subarray(['a', 'b'], { minLength: 1 });
const step = fc.oneof(
  fc.record({ do: fc.constant('join' as const), topics: topicsOf, range: fc.boolean() }),
  fc.record({ do: fc.constant('leave' as const), who: fc.nat(9) }),
  fc.record({ do: fc.constant('take over' as const), who: fc.nat(9) }),
  fc.record({ do: fc.constant('update' as const), who: fc.nat(9), topics: topicsOf }),
  fc.record({ do: fc.constant('topics' as const), a: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.nat(5_000) }),
);

describe('members of a classic group, on a way that loses requests and answers', () => {
  it('never have one partition in two hands, and share all of them once the way is good', {
    timeout: 120_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.array(step, { minLength: 3, maxLength: 12 }),
        fc.boolean(),
        async (seed, steps, mixed) => {
          const world = new World(seed);
          let size = 3;
          world.setTopics({ a: size, b: 2 });
          world.lossy = true;
          for (const one of steps) {
            const alive = world.clients.filter(({ joined }) => joined);
            const who = 'who' in one ? alive[one.who % Math.max(1, alive.length)] : undefined;
            if (one.do === 'join') {
              void new Client(world, one.topics, mixed && one.range ? 'range' : 'uniform').join();
            } else if (one.do === 'leave') void who?.leave();
            else if (one.do === 'update') void who?.update(one.topics);
            else if (one.do === 'take over') {
              // While a group rebalances nobody can find out what a member had, and its client may have it in hand.
              if (world.coordinator.state === 'Stable') void who?.takeOver();
            } else if (one.do === 'topics') {
              size = Math.max(size, one.a);
              world.setTopics({ a: size, b: 2 });
            }
            await world.pass(one.do === 'wait' ? one.ms : 50);
          }
          world.lossy = false;
          await world.settled();
          const wanted = new Set(world.clients.filter(({ joined }) => joined).flatMap(({ topics }) => topics));
          const all = Object.entries({ a: size, b: 2 }).flatMap(([topic, count]) =>
            wanted.has(topic) ? Array.from({ length: count }, (_, i) => `${topic}/${i}`) : [],
          );
          expect(world.hands()).toEqual(all.sort());
          for (const { member } of world.clients) await world.clock.run(member.leave());
          await world.clock.tick(1_000);
          expect(world.clock.pending).toBe(0);
        },
      ),
      { numRuns: Number(process.env.RUNS ?? 100) },
    );
  });
});
