// One consumer of the model: does as it is told, and holds every record, event and listener call against the rules. Knows nothing of what comes next.
import { Consumer, type RebalanceListener, type RebalanceView, type TopicPartition, text } from '../core/index.ts';
import { LogError } from '../protocol/index.ts';
import { keyOf, type ModelGroup, type ModelLog, partitionOf, Violation } from './model-log.test-support.ts';
import { Wire } from './model-wire.test-support.ts';

export interface MemberConfig {
  readonly topics: readonly string[] | RegExp;
  readonly autoCommit: boolean;
  readonly maxBufferedBytes: number;
  readonly maxPollRecords: number;
  readonly maxPollIntervalMs: number;
}
export const SESSION_TIMEOUT_MS = 6_000;
export const REBALANCE_TIMEOUT_MS = 10_000;

/** Of one assignment of a partition. */
interface Reading {
  /** Its listener's onPartitionsAssigned has resolved. */
  ready: boolean;
  /** The next offset that must come; undefined: not known. */
  next: number | undefined;
  /** As `next`, when the application was last done with all it had. */
  processed: number | undefined;
  paused: boolean;
  /** Nobody but the group decided where it begins. */
  untouched: boolean;
}

export class ModelMember {
  readonly name: string;
  readonly group: ModelGroup;
  readonly consumer: Consumer<Uint8Array, string>;
  readonly wire: Wire;
  readonly #config: MemberConfig;
  readonly #log: ModelLog;
  readonly #readings = new Map<string, Reading>();
  readonly #fail: (violation: unknown) => void;
  /** Partitions it committed by hand, whenever that takes effect. */
  readonly #byHand = new Set<string>();
  #closing = false;
  #polling = false;

  constructor(
    name: string,
    group: ModelGroup,
    log: ModelLog,
    config: MemberConfig,
    fail: (violation: unknown) => void,
  ) {
    this.name = name;
    this.group = group;
    this.#log = log;
    this.#config = config;
    this.#fail = fail;
    const { transport, clock, random } = log.gateway.config;
    this.wire = new Wire(transport);
    this.consumer = new Consumer({
      transport: this.wire,
      clock,
      random,
      clientId: name,
      groupId: group.groupId,
      autoOffsetReset: 'earliest',
      autoCommit: group.groupId === undefined ? undefined : config.autoCommit,
      autoCommitIntervalMs: 1_000,
      maxBufferedBytes: config.maxBufferedBytes,
      maxPollRecords: config.maxPollRecords,
      maxPollIntervalMs: config.maxPollIntervalMs,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
      requestTimeoutMs: 20_000,
      value: text(),
    });
    this.consumer.events$.subscribe((event) => {
      if (event.type === 'gap') this.#guard(() => this.#passedOver(event));
      else if (event.type === 'error') this.#check(event.error, ['COMMIT_FAILED', 'TIMED_OUT']);
    });
  }

  get live(): boolean {
    return !this.#closing;
  }
  /** What it may be asked to seek, pause or commit. */
  get assigned(): readonly string[] {
    return this.consumer
      .assignment()
      .map(keyOf)
      .filter((key) => this.#readings.has(key));
  }
  wants(topic: string): boolean {
    const { topics } = this.#config;
    return topics instanceof RegExp ? topics.test(topic) : topics.includes(topic);
  }

  // ── what it is told ──────────────────────────────────────────────────────────────────────────────────────────────
  async subscribe(): Promise<void> {
    const { topics } = this.#config;
    await this.#doing(this.consumer.subscribe(topics, { listener: this.#listener() }), ['TIMED_OUT']);
  }
  /** Returns how many records came. */
  async poll(maxRecords: number): Promise<number> {
    if (this.#polling || this.#closing) return 0;
    this.#polling = true;
    this.#allProcessed();
    const records = await this.#doing(this.consumer.poll({ timeoutMs: 0, maxRecords }), []);
    this.#polling = false;
    if (records === undefined || records.length === 0) return 0;
    if (records.length > maxRecords) throw this.#broken(`${records.length} records came where ${maxRecords} may`);
    for (const record of records) {
      this.#log.check(record);
      this.#took(record);
    }
    await this.#ownsAll([...new Set(records.map(keyOf))]);
    return records.length;
  }
  seek(key: string, offset: number): void {
    const reading = this.#reading(key);
    this.group.rewound = true;
    if (reading.next !== undefined) this.group.excuse(key, reading.next, offset);
    else this.group.excuse(key, 0, offset);
    Object.assign(reading, { next: offset, processed: offset, untouched: false });
    this.group.allow(key, offset);
    this.consumer.seek(partitionOf(key), offset);
  }
  seekToBeginning(key: string): void {
    this.group.rewound = true;
    Object.assign(this.#reading(key), { next: undefined, processed: undefined, untouched: false });
    this.consumer.seekToBeginning([partitionOf(key)]);
  }
  pause(key: string, on: boolean): void {
    this.#reading(key).paused = on;
    if (on) this.consumer.pause([partitionOf(key)]);
    else this.consumer.resume([partitionOf(key)]);
  }
  resumeAll(): void {
    for (const reading of this.#readings.values()) reading.paused = false;
    this.consumer.resume();
  }
  /** Positions: by this the application says that it is done with all it has. */
  async commit(): Promise<void> {
    this.#allProcessed();
    await this.#doing(this.consumer.commit(), ['COMMIT_FAILED', 'TIMED_OUT', 'CLOSED']);
  }
  async commitAt(key: string, offset: number): Promise<void> {
    this.group.rewound = true;
    this.group.allow(key, offset);
    this.group.excuse(key, 0, offset);
    this.#byHand.add(key);
    const at = { ...partitionOf(key), offset };
    await this.#doing(this.consumer.commit([at]), ['COMMIT_FAILED', 'TIMED_OUT', 'CLOSED']);
  }
  async close(leaveGroup: boolean): Promise<void> {
    this.#closing = true;
    this.#allAllowed();
    await this.#doing(this.consumer.close({ leaveGroup }), ['COMMIT_FAILED', 'TIMED_OUT', 'NETWORK_EXCEPTION']);
  }
  /** Its process ends. `cut`: the gateway's socket notices; else it waits for signs of life. Resolves when nothing of it is left here. */
  async crash(cut: boolean): Promise<void> {
    this.#closing = true;
    this.wire.die();
    if (cut) this.#log.gateway.dropConnections({ clientId: this.name });
    await this.consumer.close({ timeoutMs: 0 }).catch(() => undefined); // Nobody is there to hear of it.
  }

  // ── the rules ────────────────────────────────────────────────────────────────────────────────────────────────────
  /** The bound of what a client holds: what it may buffer, and one batch; where paused partitions fill it, one more for the others. */
  checkBound(): void {
    const { bufferedBytes } = this.consumer.metrics();
    const batches = this.consumer.paused().length > 0 ? 2 : 1;
    const bound = this.#config.maxBufferedBytes + batches * this.#log.largestBatch;
    if (bufferedBytes > bound) throw this.#broken(`holds ${bufferedBytes} bytes, more than ${bound}`);
  }
  #took(record: { readonly topic: string; readonly partition: number; readonly offset: number }): void {
    const key = keyOf(record);
    const { offset } = record;
    const reading = this.#readings.get(key);
    if (reading === undefined) throw this.#broken(`got ${key}@${offset}, which it does not have`);
    if (!reading.ready) throw this.#broken(`got ${key}@${offset} before its listener was done`);
    if (reading.paused) throw this.#broken(`got ${key}@${offset}, which it has paused`);
    if (reading.next !== undefined && reading.next !== offset) {
      throw this.#broken(`got ${key}@${offset} where ${reading.next} comes next`);
    }
    reading.next = offset + 1;
    this.group.delivered(key, offset);
  }
  /** What it was given is its own at the coordinator, and nobody else's. */
  async #ownsAll(keys: readonly string[]): Promise<void> {
    const { groupId } = this.group;
    if (groupId === undefined) return;
    const memberId = this.consumer.groupMetadata()?.memberId;
    const { members } = await this.#log.gateway.describeGroup(groupId);
    for (const key of keys) {
      const owners = members.filter(({ assignment }) => assignment.some((one) => keyOf(one) === key));
      if (owners.length === 1 && owners[0]?.memberId === memberId) continue;
      const whose = owners.map(({ clientId }) => clientId).join(' and ') || 'nobody';
      throw this.#broken(`got records of ${key}, which ${whose} has`);
    }
  }
  #passedOver({ topic, partition, from, to }: TopicPartition & { from: number; to: number }): void {
    const key = keyOf({ topic, partition });
    const reading = this.#readings.get(key);
    if (reading === undefined) throw this.#broken(`tells of a gap in ${key}, which it does not have`);
    if (reading.next !== undefined && reading.next !== from) {
      throw this.#broken(`tells of a gap in ${key} from ${from} where ${reading.next} comes next`);
    }
    if (to > this.#log.start(key) || from >= to) throw this.#broken(`tells of a gap in ${key} from ${from} to ${to}`);
    this.group.excuse(key, from, to);
    // What the application still has in hand is not processed by it.
    const idle = reading.processed === reading.next;
    Object.assign(reading, { next: to, untouched: false });
    if (!idle) return;
    reading.processed = to;
    this.group.allow(key, to);
  }
  #allProcessed(): void {
    for (const [key, reading] of this.#readings) {
      reading.processed = reading.next;
      if (reading.next !== undefined) this.group.allow(key, reading.next);
    }
  }
  #allAllowed(): void {
    for (const [key, { next }] of this.#readings) if (next !== undefined) this.group.allow(key, next);
  }
  #reading(key: string): Reading {
    const reading = this.#readings.get(key);
    if (reading === undefined) throw this.#broken(`has no ${key}`);
    return reading;
  }
  #broken(what: string): Violation {
    return new Violation(`${this.name} ${what}`);
  }

  // ── what it hears ────────────────────────────────────────────────────────────────────────────────────────────────
  #listener(): RebalanceListener {
    return {
      onPartitionsAssigned: (partitions, view) => this.#guard(() => this.#onAssigned(partitions, view)),
      onPartitionsRevoked: (partitions) => this.#guard(() => this.#onDropped(partitions, 'revoked')),
      onPartitionsLost: (partitions) => this.#guard(() => this.#onDropped(partitions, 'lost')),
    };
  }
  async #onAssigned(partitions: readonly TopicPartition[], view: RebalanceView): Promise<void> {
    for (const partition of partitions) {
      const key = keyOf(partition);
      if (this.#readings.has(key)) throw this.#broken(`was given ${key}, which it has`);
      const reading: Reading = { ready: false, next: undefined, processed: undefined, paused: false, untouched: true };
      this.#readings.set(key, reading);
    }
    for (const partition of partitions) await this.#findStart(keyOf(partition), view);
    for (const partition of partitions) {
      const reading = this.#readings.get(keyOf(partition));
      if (reading !== undefined) reading.ready = true;
    }
  }
  async #findStart(key: string, view: RebalanceView): Promise<void> {
    const reading = this.#readings.get(key);
    if (reading === undefined) return;
    const startBefore = this.#log.start(key);
    let position: number;
    try {
      position = await view.position(partitionOf(key), { timeoutMs: 60_000 });
    } catch (error) {
      // It went before it was known.
      this.#check(error, ['ILLEGAL_STATE', 'CLOSED']);
      return;
    }
    if (this.#readings.get(key) !== reading) return;
    this.group.allow(key, position);
    if (!reading.untouched) return;
    Object.assign(reading, { next: position, processed: position });
    if (this.#byHand.has(key)) return;
    const committed = (await this.group.committed([key])).get(key) ?? null;
    if (this.#readings.get(key) !== reading || !reading.untouched) return;
    const known =
      committed === null ? position >= startBefore && position <= this.#log.start(key) : position === committed;
    if (!known) throw this.#broken(`begins ${key} at ${position}, where ${committed} is committed`);
  }
  #onDropped(partitions: readonly TopicPartition[], how: 'revoked' | 'lost'): void {
    for (const partition of partitions) {
      const key = keyOf(partition);
      const reading = this.#readings.get(key);
      if (reading === undefined) throw this.#broken(`lets ${key} go, which it does not have`);
      if (how === 'revoked' && !this.#closing && reading.ready && reading.processed !== reading.next) {
        throw this.#broken(`lets ${key} go while it is at work on it`);
      }
      this.#readings.delete(key);
    }
  }

  /** A listener's own rule, once broken, must not become the consumer's error. */
  #guard(work: () => void | Promise<void>): void | Promise<void> {
    try {
      const working = work();
      return working instanceof Promise ? working.catch(this.#fail) : undefined;
    } catch (error) {
      this.#fail(error);
    }
  }
  async #doing<T>(work: Promise<T>, allowed: readonly string[]): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      this.#check(error, this.#closing ? [...allowed, 'CLOSED'] : allowed);
      return undefined;
    }
  }
  #check(error: unknown, allowed: readonly string[]): void {
    if (error instanceof LogError && allowed.includes(error.code)) return;
    this.#fail(error instanceof LogError ? this.#broken(`meets ${error.code}: ${error.message}`) : error);
  }
}
