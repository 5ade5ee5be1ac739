// A whole gateway in memory, for tests of applications: a log, the protocol session and a transport that reaches them. Knows nothing of sockets or disks.
import type { Clock, Random, Transport } from '../core/index.ts';
import { systemClock, systemRandom } from '../core/system-clock.ts';
import {
  CLOSE_CODES,
  type Decompressors,
  type ErrorCode,
  encodeBatch,
  type GroupDescription,
  LogError,
  partitionForKey,
  type RecordHeader,
} from '../protocol/index.ts';
import {
  createServerSession,
  DEFAULT_LIMITS,
  type Limits,
  type MemoryLog,
  memoryLog,
  type ServerSession,
  type SessionLogger,
  type SocketPort,
  type TopicSpec,
} from '../server/index.ts';
import { type FailOptions, Faults, type Hold, type HoldOptions, type RequestName } from './faults.ts';
import { type MemorySocket, type MemoryTransport, memoryTransport } from './memory-transport.ts';
import { seededRandom } from './seeded-random.ts';

export interface TestGatewayOptions {
  /** Of the gateway, its log and the wire. Default: real time; with a ManualClock nothing happens by itself. */
  readonly clock?: Clock | undefined;
  /** For clients, in `config`; of its first number the gateway makes its ids. Default: Math.random. */
  readonly random?: Random | undefined;
  /** Created at once. */
  readonly topics?: readonly TopicSpec[] | undefined;
  /** Whether clients create topics by asking for them. Default true. */
  readonly autoCreateTopics?: boolean | undefined;
  /** Where it differs from the defaults of a gateway. */
  readonly limits?: Partial<Limits> | undefined;
  /** For batches in codecs a client did not announce, beyond the runtime's own gzip. Default: none, so that such a fetch ends with UNSUPPORTED_COMPRESSION_TYPE. */
  readonly decompressors?: Decompressors | undefined;
  /** How long a frame is on its way. Default 0: until the next microtask. */
  readonly latencyMs?: number | undefined;
  /** Hears what the gateway's log would say, such as the cause of UNKNOWN_SERVER_ERROR. Default: nobody does. */
  readonly logger?: SessionLogger | undefined;
}
export interface TestRecord {
  readonly value: Uint8Array | string | null;
  readonly key?: Uint8Array | string | null | undefined;
  readonly headers?: readonly RecordHeader[] | undefined;
  /** Default: by the key, as Kafka's own producer does it; without a key, 0. */
  readonly partition?: number | undefined;
  /** Ms since the epoch. Default: the gateway's clock. */
  readonly timestamp?: number | undefined;
}
export interface DropOptions {
  /** 1000, 1009 or 3000 to 4999. Default: none, as when a cable is cut (the client sees 1006). */
  readonly code?: number | undefined;
  /** Only the connections of clients with this clientId. */
  readonly clientId?: string | undefined;
}
export interface TestGateway extends AsyncDisposable {
  /**
   * How clients reach it, with its clock and its chance: `new Consumer({ ...gateway.config, groupId: 'billing' })`.
   */
  readonly config: { readonly transport: Transport; readonly clock: Clock; readonly random: Random };
  /** For ClientConfig.transport. */
  readonly transport: MemoryTransport;
  readonly log: MemoryLog;
  readonly clock: Clock;
  /** How long a frame is on its way, ms; holds for what is sent from now on. */
  latencyMs: number;
  /** Writes straight into the log, each call one batch per partition; creates a topic that is missing. Strings are UTF-8. Resolves with where each record went, in order. */
  produce(
    topic: string,
    records: readonly (TestRecord | string)[],
  ): Promise<{ readonly partition: number; readonly offset: number }[]>;

  /**
   * From now on, requests of one type (or what 'fetch' brings) wait, and everything else goes on.
   *
   * ```ts
   * using commits = gateway.hold('commit', { groupId: 'billing' });
   * const committing = consumer.commit();
   * await commits.whenWaiting();
   * gateway.dropConnections(); // the commit never arrived
   * commits.release();
   * await committing; // tried again
   * ```
   */
  hold(type: RequestName, options?: HoldOptions): Hold;
  /**
   * Refuses the next request of a type with an error code: the gateway never sees it. Where it is 'fetch', what is opened next or brings
   * data next ends with that error.
   *
   * ```ts
   * gateway.failNext('commit', 'REBALANCE_IN_PROGRESS', { times: 2 });
   * await clock.run(consumer.commit()); // tried again, twice
   * ```
   */
  failNext(type: RequestName, code: ErrorCode, options?: FailOptions): void;
  /** Ends connections: all, or those of one client. A number is a close code. */
  dropConnections(options?: number | DropOptions): void;
  /** As long as true, nobody listens. */
  refuseDials(refuse: boolean): void;
  /** As long as true, nothing is delivered in either direction, then all of it. */
  holdDelivery(hold: boolean): void;

  /** Members, who owns what, committed offsets and lag. GROUP_ID_NOT_FOUND. */
  describeGroup(groupId: string): Promise<GroupDescription>;
  /**
   * Forces a rebalance: every partition is handed on to the next member that wants it, so members lose what they have and get what others
   * had; a lone member keeps what it has. Resolves when members have been told; they let go at their next poll or acknowledgement. GROUP_ID_NOT_FOUND.
   *
   * ```ts
   * await gateway.rebalance('billing');
   * await clock.until(() => one.assignment().length > 0 && two.assignment().length > 0);
   * ```
   */
  rebalance(groupId: string): Promise<void>;
  /**
   * Ends the session of a member (without `memberId`: of all) as if nothing had been heard of it for sessionTimeoutMs: others get its
   * partitions at once, and its consumer calls onPartitionsLost and joins anew. UNKNOWN_MEMBER_ID, GROUP_ID_NOT_FOUND.
   *
   * ```ts
   * await gateway.expireSession('billing', consumer.groupMetadata()?.memberId);
   * await clock.settle(); // the listener has heard of it
   * ```
   */
  expireSession(groupId: string, memberId?: string): Promise<void>;
  close(): Promise<void>;
}

const silent: SessionLogger = { debug() {}, info() {}, warn() {}, error() {} };
const utf8 = new TextEncoder();

/** Needs no port and no file; any number of them can run side by side. */
export async function createTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const {
    clock = systemClock,
    random = systemRandom,
    autoCreateTopics,
    decompressors,
    latencyMs,
    logger = silent,
  } = options;
  const limits: Limits = { ...DEFAULT_LIMITS, ...options.limits };
  // A test may well give one that always returns the same number, and ids must differ.
  const ids = seededRandom(random() * 2 ** 32);
  const log = memoryLog({ clock, random: ids, autoCreateTopics });
  const topicNames = new Map<string, string>();
  log.onTopicsChanged(({ changed }) => {
    for (const { topicId, name } of changed) topicNames.set(topicId, name);
  });
  for (const topic of options.topics ?? []) await log.createTopic(topic);
  const sessions = new Map<MemorySocket, ServerSession>();
  const faults = new Faults({ topicName: (id) => topicNames.get(id), ends: (partition) => log.ends(partition) });

  const transport = memoryTransport({
    clock,
    latencyMs,
    accept(socket) {
      const server = { name: 'distributedlog-testing', version: '1' };
      const line = faults.connect({
        toGateway: (frame) => (typeof frame === 'string' ? session.onText(frame) : session.onBinary(frame)),
        toClient: (frame, onWritten) => socket.send(frame, onWritten),
      });
      const tapped: SocketPort = {
        send: (frame, onWritten) => line.fromGateway(frame, onWritten),
        get bufferedBytes() {
          return socket.bufferedBytes;
        },
        close: (code, reason) => socket.close(code, reason),
        pauseReading: () => socket.pauseReading(),
        resumeReading: () => socket.resumeReading(),
      };
      const session = createServerSession({
        socket: tapped,
        log,
        clock,
        random: ids,
        limits,
        server,
        logger,
        decompressors,
      });
      sessions.set(socket, session);
      return {
        onFrame: (frame) => line.fromClient(frame),
        onClose: ({ code }) => {
          sessions.delete(socket);
          line.end();
          session.onClosed(code);
        },
      };
    },
  });

  const produce: TestGateway['produce'] = async (topic, records) => {
    const info = (await log.topics([topic]))[0] ?? (await log.createTopic({ name: topic }));
    const { topicId } = info;
    const byPartition = new Map<number, { index: number; record: TestRecord }[]>();
    for (const [index, given] of records.entries()) {
      const record = typeof given === 'string' ? { value: given } : given;
      const key = bytesOf(record.key);
      const partition = record.partition ?? (key === null ? 0 : partitionForKey(key, info.partitions.length));
      const list = byPartition.get(partition) ?? [];
      list.push({ index, record });
      byPartition.set(partition, list);
    }
    const placed: { partition: number; offset: number }[] = [];
    for (const [partition, list] of byPartition) {
      const batch = encodeBatch(
        list.map(({ record }) => ({
          key: bytesOf(record.key),
          value: bytesOf(record.value),
          headers: record.headers,
          timestamp: record.timestamp ?? Math.floor(clock.now()),
        })),
      );
      const { baseOffset } = await log.append({ topicId, partition }, batch);
      for (const [i, { index }] of list.entries()) placed[index] = { partition, offset: baseOffset + i };
    }
    return placed;
  };

  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= (async () => {
      transport.refuseDials(true);
      for (const socket of transport.sockets) socket.close(CLOSE_CODES.DRAIN.code, 'the test gateway is closed');
      await log.close();
    })();
    return closed;
  };

  return {
    config: { transport, clock, random },
    transport,
    log,
    clock,
    get latencyMs() {
      return transport.latencyMs;
    },
    set latencyMs(ms) {
      transport.latencyMs = ms;
    },
    produce,
    hold: (type, holding) => faults.hold(type, holding),
    failNext: (type, code, failing) => faults.failNext(type, code, failing),
    dropConnections(dropping = {}) {
      const { code, clientId }: DropOptions = typeof dropping === 'number' ? { code: dropping } : dropping;
      if (code !== undefined && !(code === 1000 || code === 1009 || (code >= 3000 && code <= 4999))) {
        throw new LogError('INVALID_REQUEST', `close code ${code} is not allowed: 1000, 1009 or 3000 to 4999`);
      }
      for (const socket of transport.sockets) {
        if (clientId !== undefined && sessions.get(socket)?.clientId !== clientId) continue;
        if (code === undefined) socket.terminate();
        else socket.close(code, '');
      }
    },
    refuseDials: (refuse) => transport.refuseDials(refuse),
    holdDelivery: (hold) => transport.holdDelivery(hold),
    describeGroup: (groupId) => log.groups.describe(groupId),
    async rebalance(groupId) {
      await log.groups.describe(groupId);
      await log.groups.rebalance(groupId);
    },
    async expireSession(groupId, memberId) {
      await log.groups.describe(groupId);
      await log.groups.expire(groupId, memberId);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function bytesOf(value: Uint8Array | string | null | undefined): Uint8Array | null {
  return typeof value === 'string' ? utf8.encode(value) : (value ?? null);
}
