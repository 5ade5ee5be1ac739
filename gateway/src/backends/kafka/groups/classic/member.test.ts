import { LogError } from 'distributedlog/protocol';
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

/** Does as it is told, after a while. */
class Client {
  readonly name: string;
  readonly hands = new Set<string>();
  readonly member: ClassicMember;
  fenced: LogError | undefined;
  joined = false;
  topics: readonly string[];
  #owed = 0;

  constructor(world: World, name: string, topics: readonly string[], assignor: AssignorName = 'uniform') {
    this.name = name;
    this.topics = topics;
    const { clock, random } = world;
    const lose = () => {
      this.hands.clear();
      this.joined = false;
    };
    this.member = new ClassicMember({
      clock,
      random,
      topics: world.topics,
      coordinator: world.coordinator.reach(clock, random, () => world.lossy && random() < 0.15),
      request: {
        groupId: 'g',
        instanceId: hiddenInstanceId(newMemberId(name, random)),
        memberId: name,
        wishes: { ...this.#wishes(topics), assignor },
      },
      listener: {
        onAssignment: (assignment) => this.#follow(world, assignment),
        onFenced: (error) => {
          this.fenced = error;
          lose();
        },
      },
    });
    world.clients.push(this);
    this.join = async () => {
      try {
        const first = await this.member.join();
        this.joined = true;
        this.#follow(world, first);
      } catch (error) {
        // A new one would be made; here it is given up.
        this.fenced = LogError.from(error);
        lose();
      }
    };
    this.update = async (next) => {
      this.topics = next;
      try {
        this.#follow(world, await this.member.update({ ...this.#wishes(next), assignor }));
      } catch (error) {
        this.fenced ??= LogError.from(error);
      }
    };
    this.leave = async () => {
      lose();
      this.topics = [];
      await this.member.leave();
    };
  }
  readonly join: () => Promise<void>;
  readonly update: (topics: readonly string[]) => Promise<void>;
  readonly leave: () => Promise<void>;

  get isCalm(): boolean {
    return !this.joined || (this.#owed === 0 && this.member.revoking().length === 0);
  }

  #wishes(topics: readonly string[]) {
    return { topics, sessionTimeoutMs: 1_000_000, rebalanceTimeoutMs: 900_000, maxPollIntervalMs: 1_000_000 };
  }
  #follow(world: World, { memberEpoch, partitions }: Assignment): void {
    const { clock, random } = world;
    if (!this.joined) return;
    const target = new Set(partitions.flatMap(({ topic, partitions: all }) => all.map((one) => `${topic}/${one}`)));
    for (const key of target) this.hands.add(key);
    world.judge();
    this.#owed++;
    clock.after(random() * 2_000, () => {
      this.#owed--;
      if (!this.joined || memberEpoch < this.#epoch) return;
      for (const key of [...this.hands]) if (!target.has(key)) this.hands.delete(key);
      const byTopic = new Map<string, number[]>();
      for (const key of this.hands) {
        const [topic = '', partition] = key.split('/');
        byTopic.set(topic, [...(byTopic.get(topic) ?? []), Number(partition)]);
      }
      const owned = [...byTopic].map(([topic, all]) => ({ topicId: `id-of-${topic}`, partitions: all }));
      this.member.owned(memberEpoch, owned);
    });
    this.#epoch = memberEpoch;
  }
  #epoch = 0;
}

const topicsOf = fc.subarray(['a', 'b'], { minLength: 1 });
const step = fc.oneof(
  fc.record({ do: fc.constant('join' as const), topics: topicsOf, range: fc.boolean() }),
  fc.record({ do: fc.constant('leave' as const), who: fc.nat(9) }),
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
              const name = `m${world.clients.length}`;
              void new Client(world, name, one.topics, mixed && one.range ? 'range' : 'uniform').join();
            } else if (one.do === 'leave') await who?.leave();
            else if (one.do === 'update') void who?.update(one.topics);
            else if (one.do === 'topics') {
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
          for (const client of world.clients) await client.member.leave();
          await world.clock.tick(1_000);
          expect(world.clock.pending).toBe(0);
        },
      ),
      { numRuns: Number(process.env.RUNS ?? 100) },
    );
  });
});
