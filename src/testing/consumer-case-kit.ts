// What the conformance cases of the consumer share: the harness they run against, and a world of clients that ends with its case. Knows nothing of sockets or test runners.
import type {
  Admin,
  Client,
  ClientConfig,
  Consumer,
  ConsumerConfig,
  ConsumerEvent,
  Producer,
  ProducerRecord,
  Transport,
} from '../core/index.ts';
import { systemClock } from '../core/system-clock.ts';
import { type ConsumerRecord, type ErrorCode, LogError, type TopicPartition } from '../protocol/index.ts';
import { type Link, Wire } from './consumer-case-wire.ts';
import type { RuleId } from './consumer-rules.ts';

/** A gateway on a new, empty log, and the SDK that is examined. */
export interface ConsumerHarness {
  readonly sdk: {
    readonly Consumer: typeof Consumer;
    readonly Producer: typeof Producer;
    readonly Admin: typeof Admin;
    readonly Client: typeof Client;
  };
  /** How clients reach the gateway. */
  readonly config: ClientConfig;
  /** Another way to it, which can be cut by itself. */
  link(): Promise<Link>;
  /** Cuts every connection, as a cable that is pulled. */
  dropConnections(): void;
  /** The gateway ends, and with it every connection; nobody listens until `start`, which serves the same log. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Applies due retention now. */
  retain(): Promise<void>;
}
export interface ConsumerCase {
  /** The rules it checks; the first one gives it its place. */
  readonly rules: readonly RuleId[];
  /** Unique among all cases. */
  readonly name: string;
  /** Whether the log creates topics that are asked for. Default true. */
  readonly autoCreateTopics?: false;
  /** Rejects where the consumer does not do what the name says. */
  run(harness: ConsumerHarness): Promise<void>;
}
export function consumerCase(
  rules: RuleId | readonly RuleId[],
  name: string,
  run: (world: World) => Promise<void>,
  options: { readonly autoCreateTopics?: false } = {},
): ConsumerCase {
  return {
    rules: typeof rules === 'string' ? [rules] : rules,
    name,
    ...options,
    async run(harness) {
      const world = new World(harness);
      try {
        await run(world);
      } finally {
        await world.end();
      }
    },
  };
}

export type TextConsumer = Consumer<string, string>;
type Written = Omit<ProducerRecord, 'topic'>;

/** What one case makes; all of it ends with the case. */
export class World {
  readonly harness: ConsumerHarness;
  readonly #made: { close(options?: { timeoutMs?: number }): Promise<void> }[] = [];
  readonly #wires: Wire[] = [];
  #producer: Producer | undefined;
  #admin: Admin | undefined;

  constructor(harness: ConsumerHarness) {
    this.harness = harness;
  }
  /** Reads from the earliest offset and comes back quickly, unless `config` says otherwise. */
  get clientConfig(): ClientConfig {
    return { reconnectBackoffMs: 1, reconnectBackoffMaxMs: 20, ...this.harness.config };
  }
  consumer(config: ConsumerConfig<string, string> = {}): TextConsumer {
    return this.keep(
      new this.harness.sdk.Consumer<string, string>({
        ...this.clientConfig,
        autoOffsetReset: 'earliest',
        key: textOf,
        value: textOf,
        ...config,
      }),
    );
  }
  /** A line of its own, for a `consumer` that is given its `config`. */
  async wire(keepsake?: Transport['keepsake']): Promise<Wire> {
    const wire = new Wire(await this.harness.link(), keepsake);
    this.#wires.push(wire);
    return wire;
  }
  /** Closed with the case. */
  keep<T extends { close(options?: { timeoutMs?: number }): Promise<void> }>(made: T): T {
    this.#made.push(made);
    return made;
  }
  get admin(): Admin {
    this.#admin ??= this.keep(new this.harness.sdk.Admin(this.clientConfig));
    return this.#admin;
  }
  get producer(): Producer {
    this.#producer ??= this.keep(new this.harness.sdk.Producer({ ...this.clientConfig, lingerMs: 0 }));
    return this.#producer;
  }
  async topic(name: string, partitions = 1, config: Record<string, string> = {}): Promise<void> {
    await this.admin.createTopic({ name, partitions, config });
  }
  /** In order; to partition 0 where none is named. Resolves with the offsets. */
  async produce(topic: string, records: readonly (string | Written)[]): Promise<number[]> {
    const sent = records.map((record) =>
      this.producer.send({ topic, partition: 0, ...(typeof record === 'string' ? { value: record } : record) }),
    );
    return (await Promise.all(sent)).map(({ offset }) => offset);
  }
  async end(): Promise<void> {
    for (const wire of this.#wires) wire.release();
    for (const one of this.#made.reverse()) await one.close({ timeoutMs: 0 }).catch(() => undefined); // The case has had its say.
  }
}

const decoder = new TextDecoder();
/** A deserializer of its own, so that nothing but the constructors comes from outside. */
export const textOf = (bytes: Uint8Array): string => decoder.decode(bytes);
export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
export const at = (topic: string, partition = 0): TopicPartition => ({ topic, partition });
export const numbered = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `v${from + i}`);
export const range = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);
export const offsetsOf = (records: readonly { readonly offset: number }[]): number[] =>
  records.map(({ offset }) => offset);
export const valuesOf = <V>(records: readonly { readonly value: V | null }[]): (V | null)[] =>
  records.map(({ value }) => value);

/** From now on. */
export function eventsOf(consumer: { readonly events$: Consumer['events$'] }): ConsumerEvent[] {
  const events: ConsumerEvent[] = [];
  consumer.events$.subscribe((event) => events.push(event));
  return events;
}
export function gapsOf(events: readonly ConsumerEvent[]): unknown[] {
  return events.filter(({ type }) => type === 'gap').map(({ type: _, ...gap }) => gap);
}

/** Polls until `count` records have come. */
export async function drain<K, V>(consumer: Consumer<K, V>, count: number): Promise<ConsumerRecord<K, V>[]> {
  const records: ConsumerRecord<K, V>[] = [];
  while (records.length < count) {
    const some = await consumer.poll({ timeoutMs: PATIENCE_MS });
    assert(some.length > 0, `only ${records.length} of ${count} records came`);
    records.push(...some);
  }
  return records;
}
/** Polls without waiting long, to see that nothing comes. */
export async function nothing<K, V>(consumer: Consumer<K, V>): Promise<void> {
  equal(valuesOf(await consumer.poll({ timeoutMs: 30 })), [], 'records where none were due');
}

const PATIENCE_MS = 15_000;
export const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    systemClock.after(ms, resolve);
  });
/** Waits for what must come, and says what did not. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = systemClock.now() + PATIENCE_MS;
  while (!(await condition())) {
    assert(systemClock.now() < deadline, `waited in vain until ${what}`);
    await pause(2);
  }
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
/** By value; the order of keys does not count, and an undefined property is none. */
export function equal(actual: unknown, expected: unknown, what: string): void {
  const [a, e] = [canonical(actual), canonical(expected)];
  assert(a === e, `${what}: expected ${e}, got ${a}`);
}
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, inner: unknown) => {
      if (inner instanceof Uint8Array) return { bytes: [...inner] };
      if (inner instanceof Set) return [...inner];
      if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
      return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
    }) ?? 'undefined'
  );
}
function check(error: unknown, codes: readonly ErrorCode[]): LogError {
  assert(error instanceof LogError, `expected a LogError, got ${String(error)}`);
  assert(codes.includes(error.code), `expected ${codes.join(' or ')}, got ${error.code}: ${error.message}`);
  assert(error.message.length > 0, `${error.code} has no message`);
  return error;
}
/** Rejects unless `work` rejects with a LogError of one of the codes; returns it. */
export async function rejects(work: Promise<unknown>, ...codes: readonly ErrorCode[]): Promise<LogError> {
  let outcome: unknown;
  try {
    outcome = await work;
  } catch (error) {
    return check(error, codes);
  }
  throw new Error(`expected ${codes.join(' or ')}, but it resolved with ${canonical(outcome)}`);
}
/** As `rejects`, for what throws at once. */
export function throws(work: () => unknown, ...codes: readonly ErrorCode[]): LogError {
  let outcome: unknown;
  try {
    outcome = work();
  } catch (error) {
    return check(error, codes);
  }
  throw new Error(`expected ${codes.join(' or ')}, but it returned ${canonical(outcome)}`);
}
