// One consumer of the model: does as it is told, and holds every record, event and listener call against the rules. Knows nothing of what comes next.
import {
  Consumer,
  type ConsumerRecord,
  type RebalanceListener,
  type RebalanceView,
  type TopicPartition,
  type TopicPartitionOffset,
  text,
} from '../core/index.ts';
import { LogError } from '../protocol/index.ts';
import { keyOf, type ModelGroup, type ModelLog, partitionOf, Violation } from './model-log.test-support.ts';
import { Reading } from './model-reading.test-support.ts';
import { Standing } from './model-standing.test-support.ts';
import { Wire } from './model-wire.test-support.ts';

export interface MemberConfig {
  readonly topics: readonly string[] | RegExp;
  /** Where it reads alone: it names the partitions there are, and gets no others later. */
  readonly assigns: boolean;
  /** 'calls': poll() and the iterator, as told. 'acks': a stream that acknowledges in any order. */
  readonly reads: 'calls' | 'acks';
  readonly autoCommit: boolean;
  /** Keeps its place in the group over a restart. */
  readonly fixed: boolean;
  readonly assignor: 'uniform' | 'range';
  readonly maxBufferedBytes: number;
  readonly maxPollRecords: number;
  readonly maxPollIntervalMs: number;
}
export const SESSION_TIMEOUT_MS = 6_000;
const REBALANCE_TIMEOUT_MS = 10_000;
const MAX_IN_FLIGHT = 8;
type Rec = ConsumerRecord<Uint8Array, string>;

export class ModelMember {
  readonly name: string;
  readonly group: ModelGroup;
  readonly consumer: Consumer<Uint8Array, string>;
  readonly wire: Wire;
  readonly #config: MemberConfig;
  readonly #log: ModelLog;
  readonly #readings = new Map<string, Reading>();
  #assigned: readonly string[] | undefined;
  /** Partitions it committed by hand, whenever that takes effect. */
  readonly #byHand = new Set<string>();
  /** What it never acknowledged, and may try to when it is too late. */
  #late: TopicPartitionOffset[] = [];
  #stopStream: (() => void) | undefined;
  readonly #fail: (violation: unknown) => void;
  readonly #standing: Standing;
  #hasPaused = false;
  #inTouch = false;
  #closing = false;
  #reading = false;

  constructor(
    name: string,
    instanceId: string,
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
    const { fixed, maxPollIntervalMs } = config;
    const acknowledges = config.reads === 'acks';
    this.#standing = new Standing(
      { acknowledges, fixed, maxPollIntervalMs, rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS },
      log,
    );
    this.wire = new Wire(transport);
    const grouped = group.groupId !== undefined;
    this.consumer = new Consumer({
      transport: this.wire,
      clock,
      random,
      clientId: name,
      groupId: group.groupId,
      groupInstanceId: grouped && config.fixed ? instanceId : undefined,
      assignor: config.assignor,
      autoOffsetReset: 'earliest',
      autoCommit: grouped ? config.autoCommit : undefined,
      autoCommitIntervalMs: 1_000,
      maxBufferedBytes: config.maxBufferedBytes,
      maxPollRecords: config.maxPollRecords,
      maxPollIntervalMs: config.maxPollIntervalMs,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
      requestTimeoutMs: 20_000,
      reconnectBackoffMaxMs: 500,
      value: text(),
    });
    this.consumer.status$.subscribe(({ type }) => {
      this.#inTouch = type === 'live';
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
    return this.consumer.assignment().flatMap((at) => (this.#readings.has(keyOf(at)) ? [keyOf(at)] : []));
  }
  wants(key: string): boolean {
    const { topics } = this.#config;
    const { topic } = partitionOf(key);
    if (this.#assigned !== undefined) return this.#assigned.includes(key);
    return topics instanceof RegExp ? topics.test(topic) : topics.includes(topic);
  }

  // ── what it is told ──────────────────────────────────────────────────────────────────────────────────────────────
  async subscribe(): Promise<void> {
    const { topics, reads, assigns } = this.#config;
    let subscribing: Promise<void>;
    if (assigns && this.group.groupId === undefined) {
      const keys = this.#log.keys.filter((key) => this.wants(key));
      this.#assigned = keys;
      for (const key of keys) this.#readings.set(key, Object.assign(new Reading(), { ready: true }));
      subscribing = this.consumer.assign(keys.map(partitionOf));
    } else {
      subscribing = this.consumer.subscribe(topics, { listener: this.#listener() });
    }
    if (reads === 'acks') this.#startStream();
    await this.#doing(subscribing, ['TIMED_OUT']);
  }
  /** Returns how many records it had to do with. */
  async read(max: number, how: 'poll' | 'iterator', settle: () => Promise<void>): Promise<number> {
    if (this.#closing || this.#reading) return 0;
    if (this.#config.reads === 'acks') return this.#acknowledge(max);
    this.#reading = true;
    this.#standing.beginsToRead();
    try {
      return await (how === 'poll' ? this.#poll(max) : this.#iterate(max, settle));
    } finally {
      this.#reading = false;
      this.#standing.endsToRead();
    }
  }
  async #poll(maxRecords: number): Promise<number> {
    this.#allProcessed();
    const records = (await this.#doing(this.consumer.poll({ timeoutMs: 0, maxRecords }), [])) ?? [];
    if (records.length > maxRecords) throw this.#broken(`${records.length} records came where ${maxRecords} may`);
    for (const record of records) this.#took(record);
    await this.#ownsAll(records);
    return records.length;
  }
  async #iterate(max: number, settle: () => Promise<void>): Promise<number> {
    const iterator = this.consumer[Symbol.asyncIterator]();
    let count = 0;
    for (; count < max; count++) {
      this.#allProcessed();
      let settled = false;
      const next = this.#doing(iterator.next(), []).finally(() => {
        settled = true;
      });
      await settle();
      if (!settled) break; // Nothing comes; leaving ends the wait.
      const result = await next;
      if (result === undefined || result.done === true) break;
      this.#took(result.value);
      await this.#ownsAll([result.value]);
    }
    if (iterator.return !== undefined) await this.#doing(iterator.return(), []);
    return count;
  }
  #startStream(): void {
    const stream = this.consumer.stream({ manualAck: true, maxInFlight: MAX_IN_FLIGHT });
    const subscription = stream.subscribe({
      next: (record) =>
        this.#guard(async () => {
          if (this.#closing) return;
          this.#took(record, true);
          const inHand = [...this.#readings.values()].reduce((sum, { unacked }) => sum + unacked.size, 0);
          if (inHand > MAX_IN_FLIGHT) throw this.#broken(`has ${inHand} records in hand`);
          await this.#ownsAll([record]);
        }),
      error: (error) => this.#check(error, this.#closing ? ['CLOSED', 'FENCED_INSTANCE_ID'] : []),
    });
    this.#stopStream = () => subscription.unsubscribe();
  }
  #noteOldest(): void {
    this.#standing.hasInHand([...this.#readings.values()].flatMap(({ unacked }) => [...unacked.values()]));
  }
  /** Not in the order they came: the newest first. */
  #acknowledge(max: number): number {
    this.#noteOldest();
    for (const late of this.#late.splice(0)) {
      if (this.#readings.get(keyOf(late))?.unacked.has(late.offset) !== true) this.consumer.ack(late);
    }
    let count = 0;
    for (const [key, reading] of this.#readings) {
      for (const offset of [...reading.unacked.keys()].reverse().slice(0, max)) {
        count++;
        reading.ack(offset);
        this.group.allow(key, reading.processed ?? 0);
        this.consumer.ack({ ...partitionOf(key), offset });
      }
    }
    return count;
  }
  /** Who stops reading gets what it did not acknowledge again. */
  restartStream(): void {
    if (this.#stopStream === undefined || this.#closing) return;
    this.#stopStream();
    for (const reading of this.#readings.values()) reading.rewind();
    this.#startStream();
  }
  seek(key: string, offset: number): void {
    const reading = this.#of(key);
    this.group.rewound = true;
    this.group.excuse(key, reading.next ?? 0, offset);
    reading.moveTo(offset);
    this.group.allow(key, offset);
    this.consumer.seek(partitionOf(key), offset);
  }
  seekToBeginning(key: string): void {
    this.group.rewound = true;
    this.#of(key).moveTo(undefined);
    this.consumer.seekToBeginning([partitionOf(key)]);
  }
  pause(key: string, on: boolean): void {
    this.#of(key).paused = on;
    this.#hasPaused ||= on;
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
    this.#allProcessed();
    const closing = this.consumer.close({ leaveGroup });
    await this.#doing(closing, ['COMMIT_FAILED', 'TIMED_OUT', 'NETWORK_EXCEPTION', 'FENCED_INSTANCE_ID']);
  }
  /** Its link stalls, or moves again. */
  hold(on: boolean): void {
    this.wire.hold(on);
    this.#standing.hold(on);
  }
  cut(): void {
    this.#standing.cut();
    this.#log.gateway.dropConnections({ clientId: this.name });
  }
  /** It is cut off and refused when it dials, or may dial again. */
  refuse(on: boolean): void {
    if (on) this.cut();
    this.wire.refusing = on;
    if (on) this.#standing.isOutOfReach();
  }
  /** Its session is about to be ended. */
  expire(): void {
    this.#standing.expire();
  }
  /** Its process ends. `cut`: the gateway's socket notices; else it waits for signs of life. Resolves when nothing of it is left here. */
  async crash(cut: boolean): Promise<void> {
    this.#closing = true;
    this.wire.die();
    if (cut) this.#log.gateway.dropConnections({ clientId: this.name });
    await this.consumer.close({ timeoutMs: 0 }).catch(() => undefined); // Nobody is there to hear of it.
  }

  // ── the rules ────────────────────────────────────────────────────────────────────────────────────────────────────
  /** The bound of what a client holds: what it may buffer, and one batch; where partitions that are paused or must go fill it, one more for the others. */
  checkBound(): void {
    const { bufferedBytes } = this.consumer.metrics();
    const batches = this.group.groupId !== undefined || this.#hasPaused ? 2 : 1;
    const bound = this.#config.maxBufferedBytes + batches * this.#log.largestBatch;
    if (bufferedBytes > bound) throw this.#broken(`holds ${bufferedBytes} bytes, more than ${bound}`);
  }
  /** Each position is behind what came last; who has read all has nothing left here. */
  async checkEnd(): Promise<void> {
    const { bufferedBytes } = this.consumer.metrics();
    const done = [...this.#readings].every(([key, { next, inHand }]) => next === this.#log.end(key) && !inHand);
    if (done && bufferedBytes !== 0) throw this.#broken(`holds ${bufferedBytes} bytes, though it has read all`);
    for (const [key, { next }] of this.#readings) {
      const position = await this.consumer.position(partitionOf(key));
      if (position !== (next ?? position)) throw this.#broken(`stands at ${position} of ${key}, not at ${next}`);
    }
  }
  #took(record: Rec, toAck = false): void {
    const key = keyOf(record);
    const { offset } = record;
    const reading = this.#readings.get(key);
    if (reading === undefined) throw this.#broken(`got ${key}@${offset}, which it does not have`);
    if (!reading.ready) throw this.#broken(`got ${key}@${offset} before its listener was done`);
    if (reading.paused) throw this.#broken(`got ${key}@${offset}, which it has paused`);
    if (this.group.groupId !== undefined && !this.#inTouch) throw this.#broken(`got ${key}@${offset} while cut off`);
    if (reading.next !== undefined && reading.next !== offset) {
      throw this.#broken(`got ${key}@${offset} where ${reading.next} comes next`);
    }
    this.#log.check(record);
    reading.take(offset, toAck ? this.#now : undefined);
    this.group.delivered(key, offset);
  }
  /** What it was given is its own at the coordinator, and nobody else's. */
  async #ownsAll(records: readonly TopicPartition[]): Promise<void> {
    if (this.group.groupId === undefined || records.length === 0) return;
    const memberId = this.consumer.groupMetadata()?.memberId;
    const { members = [] } = (await this.group.describe()) ?? {};
    // What ended its session may be on its way to it still, also on a link that stalls.
    this.#noteOldest();
    for (const key of this.#standing.isTold ? new Set(records.map(keyOf)) : []) {
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
    reading.passOver(to);
    // What the application still has in hand is not processed by it.
    if (reading.processed === to) this.group.allow(key, to);
  }
  /** The application is done with what it has; what it has yet to acknowledge it has not. */
  #allProcessed(): void {
    for (const [key, reading] of this.#readings) {
      reading.settle();
      if (reading.processed !== undefined) this.group.allow(key, reading.processed);
    }
  }
  #of(key: string): Reading {
    const reading = this.#readings.get(key);
    if (reading === undefined) throw this.#broken(`has no ${key}`);
    return reading;
  }
  get #now(): number {
    return this.#log.gateway.clock.now();
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
    this.#standing.wasAssigned(this.consumer.groupMetadata()?.memberId);
    for (const partition of partitions) {
      const key = keyOf(partition);
      if (this.#readings.has(key)) throw this.#broken(`was given ${key}, which it has`);
      this.#readings.set(key, new Reading());
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
    if (reading.touched) return;
    reading.beginAt(position);
    if (this.#byHand.has(key)) return;
    const committed = (await this.group.committed([key])).get(key) ?? null;
    if (this.#readings.get(key) !== reading || reading.touched) return;
    const known =
      committed === null ? position >= startBefore && position <= this.#log.start(key) : position === committed;
    if (!known) throw this.#broken(`begins ${key} at ${position}, where ${committed} is committed`);
  }
  #onDropped(partitions: readonly TopicPartition[], how: 'revoked' | 'lost'): void {
    for (const partition of partitions) {
      const key = keyOf(partition);
      const reading = this.#readings.get(key);
      if (reading === undefined) throw this.#broken(`lets ${key} go, which it does not have`);
      if (how === 'revoked' && !this.#closing && reading.ready && reading.inHand) {
        throw this.#broken(`lets ${key} go while it is at work on it`);
      }
      for (const offset of reading.unacked.keys()) this.#late.push({ ...partition, offset });
      this.#readings.delete(key);
    }
    if (how === 'revoked' || this.#closing || this.#standing.mayLose()) return;
    throw this.#broken(`lost ${partitions.map(keyOf).join(', ')}, though it was there all the time`);
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
