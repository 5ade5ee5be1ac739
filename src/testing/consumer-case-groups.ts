// What conformance cases of groups share: members that read on in the background, and a ledger of who has what. Knows nothing of gateways.
import type { ConsumerConfig, RebalanceListener, RebalanceView } from '../core/index.ts';
import type { ConsumerRecord, TopicPartition } from '../protocol/index.ts';
import { equal, type TextConsumer, until, type World } from './consumer-case-kit.ts';

export const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`;
export const namesOf = (partitions: readonly TopicPartition[]): string[] => partitions.map(nameOf).sort();

/** Who has which partition, as listeners are told. A second owner of one is remembered, and told by `check`. */
export class Ledger {
  readonly #owners = new Map<string, object>();
  readonly #wrong: string[] = [];
  take(owner: object, partitions: readonly TopicPartition[]): void {
    for (const name of partitions.map(nameOf)) {
      const other = this.#owners.get(name);
      if (other !== undefined && other !== owner) this.#wrong.push(`${name} has two owners`);
      this.#owners.set(name, owner);
    }
  }
  give(owner: object, partitions: readonly TopicPartition[]): void {
    for (const name of partitions.map(nameOf)) if (this.#owners.get(name) === owner) this.#owners.delete(name);
  }
  /** What a member had that is not expected to know that it is out. */
  forget(owner: object): void {
    for (const [name, holder] of this.#owners) if (holder === owner) this.#owners.delete(name);
  }
  check(): void {
    equal(this.#wrong, [], 'partitions with two owners at a time');
  }
}

export interface MemberOptions extends ConsumerConfig<string, string> {
  readonly ledger?: Ledger;
  readonly listener?: RebalanceListener;
}
/** Subscribes when told to, and can poll in the background. */
export class Member {
  readonly consumer: TextConsumer;
  /** `+t-0`, `-t-0` (revoked), `!t-0` (lost), in the order of the calls. */
  readonly calls: string[] = [];
  readonly records: ConsumerRecord<string, string>[] = [];
  readonly errors: unknown[] = [];
  readonly #ledger: Ledger | undefined;
  readonly #listener: RebalanceListener;
  #reading: Promise<void> | undefined;
  #stopped = false;

  constructor(world: World, { ledger, listener = {}, ...config }: MemberOptions = {}) {
    this.#ledger = ledger;
    this.#listener = listener;
    this.consumer = world.consumer({ groupId: 'g', sessionTimeoutMs: 2_400, ...config });
  }
  get owned(): string[] {
    return namesOf(this.consumer.assignment());
  }
  get memberId(): string | undefined {
    return this.consumer.groupMetadata()?.memberId;
  }
  async join(...topics: readonly [string | RegExp, ...string[]]): Promise<this> {
    const [first, ...more] = topics;
    await this.consumer.subscribe(first instanceof RegExp ? first : [first, ...more], {
      listener: {
        onPartitionsAssigned: async (partitions, view: RebalanceView) => {
          this.#ledger?.take(this, partitions);
          this.calls.push(...namesOf(partitions).map((name) => `+${name}`));
          await this.#listener.onPartitionsAssigned?.(partitions, view);
        },
        onPartitionsRevoked: async (partitions, view) => {
          await this.#listener.onPartitionsRevoked?.(partitions, view);
          this.calls.push(...namesOf(partitions).map((name) => `-${name}`));
          this.#ledger?.give(this, partitions);
        },
        onPartitionsLost: async (partitions, view) => {
          this.calls.push(...namesOf(partitions).map((name) => `!${name}`));
          this.#ledger?.give(this, partitions);
          await this.#listener.onPartitionsLost?.(partitions, view);
        },
      },
    });
    return this;
  }
  /** From now on polls, one after the other, until it is stopped or closed. */
  read(): this {
    this.#stopped = false;
    this.#reading ??= this.#read();
    return this;
  }
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#reading;
    this.#reading = undefined;
  }
  async close(): Promise<void> {
    await this.stop();
    await this.consumer.close();
  }
  async #read(): Promise<void> {
    while (!this.#stopped) {
      try {
        this.records.push(...(await this.consumer.poll({ timeoutMs: 20 })));
      } catch (error) {
        this.errors.push(error);
        return;
      }
    }
  }
}

/** Until the members have all of these partitions between them, each one once, and as evenly as can be. */
export async function shared(members: readonly Member[], partitions: readonly string[]): Promise<void> {
  const expected = [...partitions].sort().join();
  await until(`${members.length} members share ${partitions.length} partitions`, () => {
    const sizes = members.map(({ owned }) => owned.length);
    return (
      members
        .flatMap(({ owned }) => owned)
        .sort()
        .join() === expected && Math.max(...sizes) - Math.min(...sizes) <= 1
    );
  });
}
export const partitionsOf = (topic: string, count: number): string[] =>
  Array.from({ length: count }, (_, partition) => `${topic}-${partition}`);

/** Calls since `member` was told to forget: empties what it has noted. */
export function callsOf(member: Member): string[] {
  return member.calls.splice(0);
}
