// What members of a classic group say to each other through its coordinator, which does not look inside: subscriptions and assignments, byte for byte as Java's consumers write them. Pure.
import { LogError } from 'distributedlog/protocol';
import { MARK_LENGTH } from '../identity.ts';

/** Partition numbers by the name of their topic. */
export type ByTopic = ReadonlyMap<string, readonly number[]>;

export interface Subscription {
  readonly topics: readonly string[];
  /** What the member has, and maybe works on. */
  readonly owned: ByTopic;
  /** The generation that gave it those; −1: none, or it does not say. */
  readonly generation: number;
  /** Of a gateway's member: by what it was taken up (16 hexadecimal digits), since its coordinator gives it a name of its own. */
  readonly mark?: string | undefined;
}

/** Versions above are read as this one: they only ever add fields at the end. */
const SUBSCRIPTION_VERSION = 3;
const ASSIGNMENT_VERSION = 3;
const GENERATION_BYTES = 4;
const MARK_BYTES = MARK_LENGTH / 2;

export function encodeSubscription({ topics, owned, generation, mark = '' }: Subscription): Buffer {
  const out = new Bytes();
  const marked = Buffer.from(mark, 'hex');
  out.int16(SUBSCRIPTION_VERSION);
  out.int32(topics.length);
  for (const topic of topics) out.string(topic);
  // Cooperative members of versions that had no field for it look for the generation here, and at nothing behind it.
  out.int32(GENERATION_BYTES + marked.length);
  out.int32(generation);
  out.raw(marked);
  out.partitions(owned);
  out.int32(generation);
  out.string(null); // rack
  return out.done();
}

/** INVALID_REQUEST where it is none. */
export function decodeSubscription(bytes: Uint8Array): Subscription {
  const from = new Cursor(bytes, 'subscription');
  const version = from.version();
  const topics = from.array(() => from.string());
  const userData = from.bytes();
  const owned = version >= 1 ? from.partitions() : new Map<string, number[]>();
  // In version 1 and before, cooperative members have nowhere else to put it.
  const generation = version >= 2 ? from.int32() : userData?.length === GENERATION_BYTES ? userData.readInt32BE(0) : -1;
  const isMarked = userData?.length === GENERATION_BYTES + MARK_BYTES;
  return { topics, owned, generation, ...(isMarked ? { mark: userData.toString('hex', GENERATION_BYTES) } : {}) };
}

export function encodeAssignment(partitions: ByTopic): Buffer {
  const out = new Bytes();
  out.int16(ASSIGNMENT_VERSION);
  out.partitions(partitions);
  out.int32(-1); // user data
  return out.done();
}

/** No bytes at all: nothing. INVALID_REQUEST where it is no assignment. */
export function decodeAssignment(bytes: Uint8Array): ByTopic {
  if (bytes.length === 0) return new Map();
  const from = new Cursor(bytes, 'assignment');
  from.version();
  return from.partitions();
}

class Bytes {
  readonly #parts: Buffer[] = [];

  int16(value: number): void {
    const part = Buffer.alloc(2);
    part.writeInt16BE(value);
    this.#parts.push(part);
  }
  int32(value: number): void {
    const part = Buffer.alloc(4);
    part.writeInt32BE(value);
    this.#parts.push(part);
  }
  raw(bytes: Buffer): void {
    this.#parts.push(bytes);
  }
  string(value: string | null): void {
    if (value === null) {
      this.int16(-1);
      return;
    }
    const part = Buffer.from(value);
    this.int16(part.length);
    this.#parts.push(part);
  }
  partitions(byTopic: ByTopic): void {
    this.int32(byTopic.size);
    for (const [topic, numbers] of byTopic) {
      this.string(topic);
      this.int32(numbers.length);
      for (const partition of numbers) this.int32(partition);
    }
  }
  done(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

class Cursor {
  readonly #bytes: Buffer;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  version(): number {
    const version = this.int16();
    if (version < 0) throw this.#broken();
    return version;
  }
  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2));
  }
  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }
  string(): string {
    const length = this.int16();
    const at = this.#take(length);
    return this.#bytes.toString('utf8', at, at + length);
  }
  bytes(): Buffer | undefined {
    const length = this.int32();
    if (length === -1) return undefined;
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }
  array<T>(item: () => T): T[] {
    const items: T[] = [];
    // A length that is a lie ends where the bytes do.
    for (let left = this.int32(); left > 0; left--) items.push(item());
    return items;
  }
  partitions(): Map<string, number[]> {
    const byTopic = new Map<string, number[]>();
    for (const [topic, numbers] of this.array(() => [this.string(), this.array(() => this.int32())] as const)) {
      byTopic.set(topic, [...(byTopic.get(topic) ?? []), ...numbers]);
    }
    return byTopic;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length < 0 || at + length > this.#bytes.length) throw this.#broken();
    this.#at += length;
    return at;
  }
  #broken(): LogError {
    return new LogError('INVALID_REQUEST', `A member's ${this.#what} of ${this.#bytes.length} bytes cannot be read.`);
  }
}
