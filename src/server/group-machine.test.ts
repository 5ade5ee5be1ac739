// Groups under anything that may happen to them, in any order, checked against what must always hold.
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { Bench, type Joined, outcome, settled, WISHES } from './groups.test-support.ts';
import type { JoinRequest } from './log.ts';

type Ref = { readonly topicId: string; readonly partitions: readonly number[] };

/** A client: what it believes it may work on, by what it was told and what it has given up. */
interface Client {
  joined: Joined;
  request: Partial<JoinRequest>;
  connected: boolean;
  working: Set<string>;
  epoch: number;
}

const TOPICS = ['t', 'u', 'v'];
const step = fc.record({
  what: fc.constantFrom(
    'join',
    'join',
    'leave',
    'release',
    'resume',
    'resume',
    'takeOver',
    'static',
    'expire',
    'owned',
    'owned',
    'owned',
    'update',
    'topic',
    'rebalance',
    'wait',
    'restart',
  ),
  who: fc.nat(7),
  topics: fc.subarray(TOPICS, { minLength: 1 }),
  size: fc.nat(4),
});
const names = (refs: readonly Ref[]) =>
  refs.flatMap(({ topicId, partitions }) => partitions.map((p) => `${topicId}/${p}`));
const told = ({ joined }: Client) => names(joined.said().partitions);

class World {
  readonly bench = new Bench({}, { t: 3, u: 2 });
  readonly clients: Client[] = [];

  /** What each is told it may begin with at once; what it was not told any more it gives up only by `owned`. */
  learn(): void {
    for (const client of this.clients) {
      if (!client.connected) continue;
      for (const key of told(client)) client.working.add(key);
      const { said, membership } = client.joined;
      expect([said().memberEpoch, said().partitions], 'everything that is to be told is').toEqual([
        membership.memberEpoch,
        membership.partitions,
      ]);
      const epoch = client.joined.epoch();
      expect(epoch, 'epochs never fall').toBeGreaterThanOrEqual(client.epoch);
      client.epoch = epoch;
    }
  }

  /** Who was fenced knows that it has nothing any more; so does everybody of a topic that is gone. */
  forget(): void {
    for (const client of [...this.clients]) {
      if (client.joined.fenced.length > 0 && client.connected) this.clients.splice(this.clients.indexOf(client), 1);
      for (const key of client.working) {
        const [topicId = '', partition] = key.split('/');
        const topic = this.bench.topics.byId(topicId);
        if (topic === undefined || Number(partition) >= topic.partitions.length) client.working.delete(key);
      }
    }
  }

  async check(): Promise<void> {
    await settled();
    this.forget();
    this.learn();
    const all = this.clients.flatMap(({ working }) => [...working]);
    expect(new Set(all).size, 'no partition has two members that may be working on it').toBe(all.length);
    const { members } = await this.described();
    for (const client of this.clients) {
      const member = members.find(({ memberId }) => memberId === client.joined.memberId);
      expect(member?.connected, 'who is kept is there').toBe(client.connected);
      expect(member?.assignment.length).toBeGreaterThanOrEqual(client.working.size);
    }
    expect(members).toHaveLength(this.clients.length);
  }

  async described() {
    if ((await this.bench.groups.list()).length === 0) return { members: [], state: 'Empty' };
    return this.bench.groups.describe('g');
  }

  async join(request: Partial<JoinRequest>): Promise<Client> {
    const joined = await this.bench.join(request);
    const client = { joined, request, connected: true, working: new Set<string>(), epoch: 0 };
    this.clients.push(client);
    return client;
  }

  async comeBack(client: Client): Promise<void> {
    const before = told(client);
    const { epoch } = client;
    client.joined = await this.bench.resume(client.joined, client.request);
    // A page that was loaded anew has nothing in hand.
    client.working = new Set();
    client.connected = true;
    if (client.joined.epoch() === epoch)
      expect(told(client).sort(), 'the same epoch is the same assignment').toEqual(before.sort());
  }

  owned({ joined, working }: Client): void {
    const keep = new Set(names(joined.said().partitions));
    for (const key of working) if (!keep.has(key)) working.delete(key);
    joined.letGo();
  }

  async step({
    what,
    who,
    topics,
    size,
  }: {
    what: string;
    who: number;
    topics: string[];
    size: number;
  }): Promise<void> {
    const { bench, clients } = this;
    const client = clients[who % Math.max(1, clients.length)];
    const assignor = size === 0 ? 'range' : 'uniform';
    if (what === 'join' && clients.length < 8) {
      await this.join({
        topics,
        assignor,
        instanceId: clients.length % 3 === 0 ? `i${size}-${clients.length}` : undefined,
      });
    } else if (what === 'topic') {
      bench.topic(topics[0] ?? 't', size);
    } else if (what === 'rebalance') {
      await bench.groups.rebalance('g');
    } else if (what === 'restart') {
      const before = new Map(clients.map((one) => [one, [one.epoch, told(one).sort()]]));
      bench.restart();
      const { state } = await this.described();
      for (const one of clients) {
        one.connected = false;
        const member = bench.state()?.members.find(({ memberId }) => memberId === one.joined.memberId);
        const now = [member?.epoch, member?.assigned.map((of) => `${of.topicId}/${of.partition}`).sort()];
        if (state === 'Stable') expect(now, 'after a restart the same assignment').toEqual(before.get(one));
      }
      for (const one of clients) await this.comeBack(one);
    } else if (client === undefined) {
      // Nobody is there to do anything.
    } else if (what === 'leave') {
      if (!client.connected) return;
      clients.splice(clients.indexOf(client), 1);
      await client.joined.membership.leave();
    } else if (what === 'release') {
      if (!client.connected) return;
      client.joined.membership.release({ heardAt: bench.clock.now() });
      client.connected = false;
    } else if (what === 'resume' || what === 'takeOver') {
      if (what === 'resume' && client.connected) return;
      await this.comeBack(client);
    } else if (what === 'static') {
      if (client.request.instanceId === undefined) return;
      const had = told(client).sort();
      const wasSettled = (await this.described()).state === 'Stable';
      const others = clients.filter((one) => one !== client && one.connected);
      const before = others.map((one) => told(one).sort());
      clients.splice(clients.indexOf(client), 1);
      const again = await this.join(client.request);
      await settled();
      if (wasSettled && client.connected) expect(told(again).sort(), 'a static member gets the same').toEqual(had);
      if (wasSettled)
        expect(
          others.map((one) => told(one).sort()),
          'and nobody else notices',
        ).toEqual(before);
    } else if (what === 'expire') {
      await bench.groups.expire('g', client.joined.memberId);
      clients.splice(clients.indexOf(client), 1);
      expect(await outcome(bench.resume(client.joined))).toBe('UNKNOWN_MEMBER_ID');
    } else if (what === 'owned') {
      if (client.connected) this.owned(client);
    } else if (what === 'update') {
      if (!client.connected) return;
      client.request = { ...client.request, topics };
      await client.joined.update({ ...WISHES, topics, assignor: client.request.assignor });
    } else if (what === 'wait') {
      // Less than a session, more than none.
      bench.clock.advance(1_000);
    }
  }

  /** Everybody is there and lets go of what they must. */
  async settle(): Promise<void> {
    for (const client of this.clients) if (!client.connected) await this.comeBack(client);
    for (let round = 0; round < this.clients.length + 2; round++) {
      this.forget();
      this.learn();
      for (const client of this.clients) this.owned(client);
      await settled();
    }
    await this.check();
    const { state } = await this.described();
    expect(state).toBe(this.clients.length === 0 ? 'Empty' : 'Stable');
    const owners = this.clients.flatMap(told);
    const wanted = new Set(this.clients.flatMap(({ request }) => request.topics ?? []));
    const all = this.bench.topics
      .names()
      .filter((name) => wanted.has(name))
      .flatMap((name) => this.bench.topics.byName(name) ?? [])
      .flatMap(({ topicId, partitions }) => partitions.map(({ partition }) => `${topicId}/${partition}`));
    expect(owners.sort(), 'every partition of a subscribed topic has exactly one owner').toEqual(all.sort());
  }

  /** One leaves: what moves is what it had. Uniform among members that want the same. */
  async farewell(): Promise<void> {
    const [leaver, ...others] = this.clients;
    if (leaver === undefined) return;
    const before = others.map((one) => new Set(told(one)));
    const same = new Set(this.clients.map(({ request }) => `${request.assignor} ${request.topics}`)).size === 1;
    this.clients.shift();
    await leaver.joined.membership.leave();
    await this.settle();
    if (!same || leaver.request.assignor !== 'uniform') return;
    for (const [i, one] of others.entries()) {
      for (const key of before[i] ?? []) expect(told(one), 'a leave moves only what the leaver had').toContain(key);
    }
  }
}

it('whatever joins, leaves, is lost, comes back, expires, lets go, changes or restarts', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const world = new World();
      for (const one of steps) {
        await world.step(one);
        await world.check();
      }
      await world.settle();
      await world.farewell();
      await world.bench.groups.close();
      expect(world.bench.clock.pending, 'no timer is left').toBe(0);
      expect(world.bench.errors).toEqual([]);
    }),
    { numRuns: 150 },
  );
}, 60_000);
