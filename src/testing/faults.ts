// What a test does to the frames between clients and a gateway: some wait until it releases them, some are refused. Knows nothing of sockets, sessions or logs.
import {
  type ClientFrame,
  type ClientFrameOf,
  type ErrorCode,
  encodeClientFrame,
  encodeServerFrame,
  isErrorCode,
  LogError,
  parseClientFrame,
  parseDataFrame,
  parseProduceFrame,
  parseServerFrame,
  type ServerFrame,
  type ServerFrameOf,
} from '../protocol/index.ts';
import type { PartitionEnds, PartitionRef } from '../server/index.ts';

/** Requests as the protocol names them; 'fetch' stands for what is read from the log, 'produce' for batches written to it. */
export type RequestName = Extract<ClientFrame, { id: number }>['type'] | 'fetch' | 'produce';

/** Which of a kind of frames: those that fit all that is given here. */
export interface FrameFilter {
  /** As in the client's configuration. */
  readonly clientId?: string | undefined;
  /** Of what a group's member fetches, too. */
  readonly groupId?: string | undefined;
  /** A frame that names several topics fits with any of them. */
  readonly topic?: string | undefined;
}
export interface HoldOptions extends FrameFilter {
  /** true: requests get through and take effect, and their answers wait. What 'fetch' brings waits either way. Default false. */
  readonly answers?: boolean | undefined;
}
export interface FailOptions extends FrameFilter {
  /** How many are refused, at least 1. Default 1. */
  readonly times?: number | undefined;
}
/** Frames that wait, in the order they came on each connection; those of a connection that ends are gone. */
export interface Hold extends Disposable {
  /** How many wait. */
  readonly waiting: number;
  /** Resolves once so many wait (1). */
  whenWaiting(count?: number): Promise<void>;
  /** Lets all of them through, and what comes later too. Idempotent. */
  release(): void;
}

export interface FaultsOptions {
  topicName(topicId: string): string | undefined;
  ends(partition: PartitionRef): PartitionEnds | undefined;
}
/** One connection: what each end says goes in, what the other end hears comes out. */
export interface LineEnds {
  toGateway(frame: string | Uint8Array): void;
  /** `onWritten`: the frame's bytes may be used again. */
  toClient(frame: string | Uint8Array, onWritten?: () => void): void;
}

const REQUEST_NAMES = Object.keys({
  ping: true,
  metadata: true,
  createTopic: true,
  deleteTopic: true,
  listOffsets: true,
  fetch: true,
  initProducer: true,
  produce: true,
  join: true,
  leave: true,
  commit: true,
  committed: true,
  listGroups: true,
  describeGroup: true,
  deleteGroup: true,
} satisfies Record<RequestName, true>);

/** A frame as filters see it. */
interface Seen {
  readonly type: RequestName;
  readonly id?: number | undefined;
  readonly groupIds: readonly (string | undefined)[];
  readonly topicNames: readonly (string | undefined)[];
}
interface Feed extends PartitionRef {
  readonly consumer: number;
  readonly epoch: number;
}

export class Faults {
  readonly options: FaultsOptions;
  /** In the order they were made. */
  rules: readonly Rule[] = [];

  constructor(options: FaultsOptions) {
    this.options = options;
  }

  /** INVALID_REQUEST for a name that is no request. */
  hold(type: RequestName, { answers = false, ...filter }: HoldOptions = {}): Hold {
    checkName('hold', type);
    const rule = new HoldRule(type, filter, answers, () => this.#remove(rule));
    this.rules = [...this.rules, rule];
    return rule;
  }

  /** INVALID_REQUEST for a name that is no request, and a code that is none. */
  failNext(type: RequestName, code: ErrorCode, { times = 1, ...filter }: FailOptions = {}): void {
    checkName('failNext', type);
    if (!isErrorCode(code)) throw invalid(`failNext: ${JSON.stringify(code)} is no error code`);
    if (!Number.isInteger(times) || times < 1) {
      throw invalid(`failNext: times must be an integer of at least 1, got ${times}`);
    }
    const rule = new FailRule(type, filter, code, times, () => this.#remove(rule));
    this.rules = [...this.rules, rule];
  }

  connect(ends: LineEnds): Line {
    return new Line(this, ends);
  }

  #remove(rule: Rule): void {
    this.rules = this.rules.filter((other) => other !== rule);
  }
}

class Rule {
  readonly type: RequestName;
  readonly #filter: FrameFilter;

  constructor(type: RequestName, filter: FrameFilter) {
    this.type = type;
    this.#filter = filter;
  }
  fits(seen: Seen, clientId: string | undefined): boolean {
    const { clientId: client, groupId, topic } = this.#filter;
    return (
      seen.type === this.type &&
      (client === undefined || client === clientId) &&
      (groupId === undefined || seen.groupIds.includes(groupId)) &&
      (topic === undefined || seen.topicNames.includes(topic))
    );
  }
}

class FailRule extends Rule {
  readonly #code: ErrorCode;
  readonly #spent: () => void;
  #left: number;

  constructor(type: RequestName, filter: FrameFilter, code: ErrorCode, times: number, spent: () => void) {
    super(type, filter);
    this.#code = code;
    this.#left = times;
    this.#spent = spent;
  }
  /** One that is refused. */
  use(): { code: ErrorCode; message: string; retriable: boolean } {
    if (--this.#left === 0) this.#spent();
    const { code, message, retriable } = new LogError(this.#code, `${this.type}: refused, as the test wants it`);
    return { code, message, retriable };
  }
}

class HoldRule extends Rule implements Hold {
  readonly answers: boolean;
  readonly #end: () => void;
  #held: { readonly line: Line; readonly go: () => void }[] = [];
  #waiters: { readonly count: number; readonly resolve: () => void }[] = [];
  #released = false;

  constructor(type: RequestName, filter: FrameFilter, answers: boolean, end: () => void) {
    super(type, filter);
    this.answers = answers;
    this.#end = end;
  }
  get released(): boolean {
    return this.#released;
  }
  get waiting(): number {
    return this.#held.length;
  }
  keep(line: Line, go: () => void): void {
    this.#held.push({ line, go });
    this.#waiters = this.#waiters.filter(({ count, resolve }) => {
      if (count > this.waiting) return true;
      resolve();
      return false;
    });
  }
  whenWaiting(count = 1): Promise<void> {
    if (this.waiting >= count) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters.push({ count, resolve });
    });
  }
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#end();
    for (const { go } of this.#held.splice(0)) go();
  }
  forget(line: Line): void {
    this.#held = this.#held.filter((held) => held.line !== line);
  }
  [Symbol.dispose](): void {
    this.release();
  }
}

/** One connection. Frames that no rule concerns go straight through. */
export class Line {
  readonly #faults: Faults;
  readonly #ends: LineEnds;
  #clientId: string | undefined;
  /** By consumer. */
  readonly #groups = new Map<number, string>();
  /** By stream. */
  readonly #feeds = new Map<number, Feed[]>();
  /** Requests whose answers are to wait, by id. */
  readonly #awaited = new Map<number, HoldRule>();

  constructor(faults: Faults, ends: LineEnds) {
    this.#faults = faults;
    this.#ends = ends;
  }

  /** The connection is gone, and what waits on it. */
  end(): void {
    for (const rule of this.#faults.rules) if (rule instanceof HoldRule) rule.forget(this);
  }

  fromClient(frame: string | Uint8Array): void {
    const parsed = this.#parseClient(frame);
    if (parsed === undefined) return this.#ends.toGateway(frame);
    if (!(parsed instanceof Uint8Array)) {
      if (parsed.type === 'hello') this.#clientId = parsed.clientId;
      if (parsed.type === 'join') this.#groups.set(parsed.consumer, parsed.groupId);
      if (parsed.type === 'fetch') return this.#onFetch(parsed);
    }
    const seen = this.#describe(parsed);
    for (const rule of this.#faults.rules) {
      if (seen === undefined || !rule.fits(seen, this.#clientId)) continue;
      if (rule instanceof FailRule) return this.#say({ type: 'error', id: seen.id, ...rule.use() });
      if (!(rule instanceof HoldRule)) continue;
      // Looked at anew when it is released: other rules may concern it as well.
      if (!rule.answers) return rule.keep(this, () => this.fromClient(frame));
      if (seen.id !== undefined) this.#awaited.set(seen.id, rule);
    }
    this.#ends.toGateway(frame);
  }

  fromGateway(frame: string | Uint8Array, onWritten?: () => void): void {
    const concerns = this.#parseGateway(frame);
    if (concerns instanceof HoldRule) return this.#keep(concerns, frame, onWritten);
    for (const rule of concerns === undefined ? [] : this.#faults.rules) {
      if (concerns === undefined || !rule.fits(concerns.seen, this.#clientId)) continue;
      if (rule instanceof HoldRule) return this.#keep(rule, frame, onWritten);
      if (concerns.stream === undefined || !(rule instanceof FailRule)) continue;
      // The data goes on all the same: the client drops it, and its credit stays right.
      this.#break(concerns.stream, rule);
      break;
    }
    this.#ends.toClient(frame, onWritten);
  }

  #keep(rule: HoldRule, frame: string | Uint8Array, onWritten: (() => void) | undefined): void {
    const kept = typeof frame === 'string' ? frame : frame.slice();
    // The gateway is not to take this for a client that does not read.
    if (onWritten !== undefined) queueMicrotask(onWritten);
    rule.keep(this, () => (rule.type === 'fetch' ? this.fromGateway(kept) : this.#ends.toClient(kept)));
  }
  #say(frame: ServerFrame): void {
    this.#ends.toClient(encodeServerFrame(frame));
  }

  /** Partitions that are opened: those that are to fail never reach the gateway. */
  #onFetch(frame: ClientFrameOf<'fetch'>): void {
    const partitions = frame.partitions.filter((spec) => {
      const seen = this.#seenFetch([{ consumer: frame.consumer, ...spec }]);
      const rule = this.#faults.rules.find((one) => one instanceof FailRule && one.fits(seen, this.#clientId));
      if (!(rule instanceof FailRule)) return true;
      this.#refuseFetch({ consumer: frame.consumer, ...spec }, spec.offset, rule);
      return false;
    });
    this.#ends.toGateway(encodeClientFrame({ ...frame, partitions }));
  }
  /** Ends what is being read, at both ends. */
  #break(stream: number, rule: FailRule): void {
    const feeds = this.#feeds.get(stream) ?? [];
    this.#feeds.delete(stream);
    for (const feed of feeds) {
      this.#refuseFetch(feed, undefined, rule);
      const { consumer, topicId, partition } = feed;
      const close = encodeClientFrame({ type: 'fetchClose', consumer, partitions: [{ topicId, partition }] });
      // Not from inside the gateway's own sending.
      queueMicrotask(() => this.#ends.toGateway(close));
    }
  }
  #refuseFetch(feed: Feed, offset: number | undefined, rule: FailRule): void {
    const { consumer, topicId, partition, epoch } = feed;
    const ends = this.#faults.options.ends(feed);
    const where: Pick<ServerFrameOf<'fetchError'>, 'offset' | 'logStart' | 'logEnd'> = ends === undefined
      ? { offset }
      : { offset, logStart: ends.logStart, logEnd: ends.highWatermark };
    this.#say({ type: 'fetchError', consumer, topicId, partition, epoch, ...rule.use(), ...where });
  }

  /** What must be understood of what a client says; undefined: goes through as it is. */
  #parseClient(frame: string | Uint8Array): ClientFrame | Uint8Array | undefined {
    const ruled = this.#faults.rules.length > 0;
    if (typeof frame !== 'string') return ruled ? frame : undefined;
    if (!ruled && !frame.includes('"hello"') && !frame.includes('"join"')) return undefined;
    try {
      return parseClientFrame(frame);
    } catch {
      return undefined; // The gateway says what is wrong with it.
    }
  }
  #describe(frame: ClientFrame | Uint8Array): Seen | undefined {
    if (frame instanceof Uint8Array) {
      const { id, topicId } = parseProduceFrame(frame);
      return { type: 'produce', id, groupIds: [], topicNames: [this.#nameOf(topicId)] };
    }
    if (!('id' in frame)) return undefined;
    const { type, id } = frame;
    const groupIds: (string | undefined)[] = [];
    if ('groupId' in frame) groupIds.push(frame.groupId);
    else if ('consumer' in frame) groupIds.push(this.#groups.get(frame.consumer));
    const topicNames: (string | undefined)[] = [];
    if ('topics' in frame) topicNames.push(...(frame.topics ?? []));
    if ('name' in frame) topicNames.push(frame.name);
    const partitions = 'partitions' in frame && Array.isArray(frame.partitions) ? frame.partitions : [];
    for (const { topicId } of 'offsets' in frame ? frame.offsets : partitions) topicNames.push(this.#nameOf(topicId));
    return { type, id, groupIds, topicNames };
  }

  /** As #parseClient; a rule: the answer that it waits for. */
  #parseGateway(frame: string | Uint8Array): HoldRule | { readonly seen: Seen; readonly stream?: number } | undefined {
    const ruled = this.#faults.rules.length > 0;
    if (typeof frame !== 'string') {
      if (!ruled) return undefined;
      const { stream } = parseDataFrame(frame);
      const feeds = this.#feeds.get(stream);
      return feeds && { seen: this.#seenFetch(feeds), stream };
    }
    if (!ruled && !frame.includes('"feed"')) return undefined;
    const parsed = parseServerFrame(frame);
    if (parsed?.type === 'feed') this.#learn(parsed);
    if (parsed?.type === 'feed' || parsed?.type === 'fetchError') return { seen: this.#seenFetch([parsed]) };
    if (parsed === undefined || !('id' in parsed) || parsed.id === undefined) return undefined;
    const rule = this.#awaited.get(parsed.id);
    this.#awaited.delete(parsed.id);
    return rule?.released === false ? rule : undefined;
  }
  #learn({ stream, consumer, topicId, partition, epoch }: ServerFrameOf<'feed'>): void {
    const others = (this.#feeds.get(stream) ?? []).filter(
      (feed) => feed.consumer !== consumer || feed.topicId !== topicId || feed.partition !== partition,
    );
    this.#feeds.set(stream, [...others, { consumer, topicId, partition, epoch }]);
  }
  #seenFetch(feeds: readonly Feed[]): Seen {
    return {
      type: 'fetch',
      groupIds: feeds.map(({ consumer }) => this.#groups.get(consumer)),
      topicNames: feeds.map(({ topicId }) => this.#nameOf(topicId)),
    };
  }
  #nameOf(topicId: string): string | undefined {
    return this.#faults.options.topicName(topicId);
  }
}

function checkName(call: string, type: string): void {
  if (REQUEST_NAMES.includes(type)) return;
  throw invalid(`${call}: ${JSON.stringify(type)} is no request; allowed: ${REQUEST_NAMES.join(', ')}`);
}
function invalid(message: string): LogError {
  return new LogError('INVALID_REQUEST', message);
}
