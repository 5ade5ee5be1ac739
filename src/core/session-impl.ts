// One session with a gateway: drives the connection machine with a transport and a clock, and hands frames to whom they are for. Knows nothing of what consumers and producers do with them.
import { type Observable, ReplaySubject } from 'rxjs';
import {
  CLOSE_CODES,
  type ClientFrame,
  type ClientFrameOf,
  type DataFrame,
  encodeClientFrame,
  encodeProduceFrame,
  LogError,
  mayReconnect,
  PROTOCOL_LIMITS,
  PROTOCOL_NAME,
  PROTOCOL_VERSION,
  parseDataFrame,
  parseServerFrame,
  type ServerFrame,
  type ServerFrameOf,
} from '../protocol/index.ts';
import type { Clock, Random } from './clock.ts';
import type { TokenSource } from './config.ts';
import { type ConnectionEffect, type ConnectionEvent, ConnectionMachine } from './connection-state.ts';
import type {
  ConnectionStatus,
  FetchChannel,
  FetchSink,
  RequestOptions,
  RequestType,
  Session,
  TopicCache,
} from './session.ts';
import { FeedTable } from './session-feeds.ts';
import { aborted, errorOf, type Request, RequestTable } from './session-requests.ts';
import { mergeReplies, splitFetchFrame, splitRequest } from './session-split.ts';
import { SessionTopics } from './topic-cache.ts';
import type { Connection, Transport } from './transport.ts';
import { VERSION } from './version.ts';

export interface SessionOptions {
  readonly transport: Transport;
  /** See parseBootstrapServers. Tried in turn. */
  readonly urls: readonly string[];
  readonly clientId: string;
  readonly token?: TokenSource | undefined;
  readonly requestTimeoutMs: number;
  readonly reconnectBackoffMs: number;
  readonly reconnectBackoffMaxMs: number;
  readonly clock: Clock;
  readonly random: Random;
  /** Requests sent and not answered; more of them wait. Default 64, for control frames and for produce frames each. */
  readonly maxRequestsInFlight?: number | undefined;
  /** Requests that may wait; more of them fail with THROTTLING_QUOTA_EXCEEDED. Default 10,000. */
  readonly maxRequestsWaiting?: number | undefined;
}

/** How long close() waits for the socket to say that it is closed. */
const CLOSE_WAIT_MS = 2_000;
const MAX_ID = 2 ** 31 - 1;

export function createSession(options: SessionOptions): Session {
  return new GatewaySession(options);
}

class GatewaySession implements Session {
  readonly clock: Clock;
  readonly random: Random;
  readonly clientId: string;
  readonly requestTimeoutMs: number;
  readonly topics: TopicCache;
  readonly status$: Observable<ConnectionStatus>;

  readonly #options: SessionOptions;
  readonly #machine: ConnectionMachine;
  readonly #topics: SessionTopics;
  readonly #requests: RequestTable;
  readonly #produces: RequestTable;
  readonly #feeds = new FeedTable();
  readonly #sinks = new Map<number, FetchSink>();
  readonly #statusSubject = new ReplaySubject<ConnectionStatus>(1);
  readonly #statusListeners = new Set<() => void>();
  readonly #events: ConnectionEvent[] = [];
  readonly #unattended = new Set<FetchSink>();
  #draining = false;
  #status: ConnectionStatus;
  #dialled: Dialled | undefined;
  #limits: ServerFrameOf<'welcome'>['limits'] = PROTOCOL_LIMITS;
  /** The last error the gateway stated without being asked: it explains the close that follows. */
  #stated: LogError | undefined;
  #timer: { readonly due: number; readonly stop: () => void } | undefined;
  #stopLifecycle: (() => void) | undefined;
  #lives = 0;
  #roundTripMs: number | undefined;
  #ids = 0;
  #consumers = 0;
  #users = 0;
  #closed: Promise<void> | undefined;

  constructor(options: SessionOptions) {
    const { clock, random, clientId, requestTimeoutMs, urls } = options;
    const backoff = { baseMs: options.reconnectBackoffMs, maxMs: options.reconnectBackoffMaxMs };
    this.#options = options;
    this.clock = clock;
    this.random = random;
    this.clientId = clientId;
    this.requestTimeoutMs = requestTimeoutMs;
    this.#machine = new ConnectionMachine({ urls, backoff, requestTimeoutMs, random });
    const table = {
      clock,
      random,
      backoff,
      timeoutMs: requestTimeoutMs,
      maxInFlight: options.maxRequestsInFlight ?? 64,
      maxWaiting: options.maxRequestsWaiting ?? 10_000,
      nextId: () => {
        this.#ids = this.#ids === MAX_ID ? 1 : this.#ids + 1;
        return this.#ids;
      },
      send: (frame: string | Uint8Array) => this.#dialled?.connection?.send(frame),
    };
    this.#requests = new RequestTable(table);
    this.#produces = new RequestTable(table);
    this.#topics = new SessionTopics((question, how) => this.request({ type: 'metadata', ...question }, how), report);
    this.topics = this.#topics;
    this.#status = { type: 'connecting', url: this.#machine.url, attempt: 0 };
    this.#statusSubject.next(this.#status);
    this.status$ = this.#statusSubject.asObservable();
  }

  get status(): ConnectionStatus {
    return this.#status;
  }
  get reconnects(): number {
    return Math.max(0, this.#lives - 1);
  }
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  connect(): void {
    if (this.#machine.phase !== 'idle') return;
    this.#stopLifecycle = this.#options.transport.onLifecycle?.((signal) => this.#tell({ type: 'lifecycle', signal }));
    this.#tell({ type: 'connect' });
  }

  whenLive(options: RequestOptions = {}): Promise<void> {
    this.connect();
    return new Promise((resolve, reject) => {
      const { signal, timeoutMs = this.requestTimeoutMs } = options;
      const look = (): boolean => {
        const { status } = this;
        if (status.type === 'live') settle(resolve);
        else if (status.type === 'closed') settle(() => reject(status.error ?? closedError()));
        return status.type === 'live' || status.type === 'closed';
      };
      const onAbort = () => settle(() => reject(signal === undefined ? undefined : aborted(signal)));
      let stopTimer: (() => void) | undefined;
      const settle = (how: () => void): void => {
        stopTimer?.();
        signal?.removeEventListener('abort', onAbort);
        this.#statusListeners.delete(look);
        how();
      };
      if (signal?.aborted) {
        onAbort();
        return;
      }
      if (look()) return;
      this.#statusListeners.add(look);
      signal?.addEventListener('abort', onAbort, { once: true });
      stopTimer = this.clock.after(timeoutMs, () => {
        const { status } = this;
        const cause = status.type === 'reconnecting' ? status.error : undefined;
        const why = cause === undefined ? '' : `: ${cause.message}`;
        const message = `no connection to ${this.#options.urls.join(', ')} within ${timeoutMs} ms${why}`;
        settle(() => reject(new LogError('TIMED_OUT', message, cause === undefined ? {} : { cause })));
      });
    });
  }

  async request<T extends RequestType>(
    frame: Omit<ClientFrameOf<T>, 'id'>,
    options?: RequestOptions,
  ): Promise<ServerFrameOf<T>> {
    this.connect();
    const parts = splitRequest(frame as Omit<ClientFrameOf<RequestType>, 'id'>, this.#limits.maxTextFrameBytes);
    const replies = await Promise.all(parts.map((part) => this.#requests.submit(this.#controlRequest(part), options)));
    return mergeReplies(replies) as ServerFrameOf<T>;
  }

  async produce(
    topicId: string,
    partition: number,
    batch: Uint8Array,
    options?: RequestOptions,
  ): Promise<ServerFrameOf<'produce'>> {
    this.connect();
    const request: Request = {
      type: 'produce',
      encode: (id) => {
        const frame = encodeProduceFrame(id, topicId, partition, batch);
        const { maxFrameBytes } = this.#limits;
        if (frame.length <= maxFrameBytes) return frame;
        const message = `a batch of ${batch.length} bytes does not fit into a frame of ${maxFrameBytes} bytes`;
        throw new LogError('RECORD_TOO_LARGE', message, { partition });
      },
    };
    return (await this.#produces.submit(request, { ...options, retry: false })) as ServerFrameOf<'produce'>;
  }

  attach(sink: FetchSink): FetchChannel {
    const consumer = this.#consumers++;
    this.#sinks.set(consumer, sink);
    // Not from inside attach(): the caller has no channel yet.
    this.#unattended.add(sink);
    queueMicrotask(() => {
      if (!this.#unattended.delete(sink)) return;
      const { status } = this;
      if (status.type === 'live') guard(() => sink.onLive(status.logId));
    });
    return {
      consumer,
      send: (frame) => {
        if (this.#status.type !== 'live' || !this.#sinks.has(consumer)) return;
        // A feed of single partitions stays until it is replaced: what is still on its way was counted against the consumer's
        // credit by the gateway, so the sink must count it as well.
        if (frame.type === 'fetchClose' && frame.partitions === undefined) this.#feeds.closeConsumer(consumer);
        for (const part of splitFetchFrame(frame)) this.#send({ ...part, consumer });
      },
      detach: () => {
        if (!this.#sinks.delete(consumer)) return;
        this.#unattended.delete(sink);
        this.#feeds.closeConsumer(consumer);
      },
    };
  }

  retain(): () => Promise<void> {
    this.#users++;
    let released: Promise<void> | undefined;
    return () => {
      released ??= --this.#users === 0 ? this.close() : Promise.resolve();
      return released;
    };
  }

  close(error?: LogError): Promise<void> {
    if (this.#closed === undefined) {
      const dialled = this.#dialled;
      this.#tell({ type: 'close', error });
      this.#closed = dialled === undefined ? Promise.resolve() : this.#whenGone(dialled);
    }
    return this.#closed;
  }

  // The machine.

  /** Events that arise while one is handled wait for their turn, so that each sees a settled state. */
  #tell(event: ConnectionEvent): void {
    this.#events.push(event);
    if (this.#draining) return;
    this.#draining = true;
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
      for (const effect of this.#machine.handle(next, this.clock.now())) this.#perform(effect);
    }
    this.#draining = false;
    this.#arm();
  }

  #perform(effect: ConnectionEffect): void {
    switch (effect.type) {
      case 'dial':
        this.#dial(effect.url);
        break;
      case 'hangUp':
        this.#hangUp(effect.code, effect.reason);
        break;
      case 'ping':
        this.#probe();
        break;
      case 'status':
        this.#setStatus(effect.status);
        break;
    }
  }

  /** Frames only ever move the deadline later, so a timer that is early looks again and is set anew. */
  #arm(): void {
    const due = this.#machine.deadline;
    if (this.#timer !== undefined && due !== undefined && this.#timer.due <= due) return;
    this.#timer?.stop();
    this.#timer = undefined;
    if (due === undefined || due === Number.POSITIVE_INFINITY) return;
    const stop = this.clock.after(Math.max(0, due - this.clock.now()), () => {
      this.#timer = undefined;
      this.#tell({ type: 'tick' });
    });
    this.#timer = { due, stop };
  }

  #setStatus(status: ConnectionStatus): void {
    const was = this.#status;
    this.#status = status;
    if (was.type === 'live')
      this.#down(status.type === 'reconnecting' || status.type === 'closed' ? status.error : undefined);
    if (status.type === 'live') this.#up(status.logId);
    if (status.type === 'closed') this.#end(status.error);
    for (const look of [...this.#statusListeners]) look();
    this.#statusSubject.next(status);
    if (status.type === 'closed') this.#statusSubject.complete();
  }

  #up(logId: string): void {
    this.#lives++;
    this.#roundTripMs = undefined;
    this.#probe();
    this.#topics.onLive();
    this.#requests.onLive();
    this.#produces.onLive();
    this.#unattended.clear();
    for (const sink of [...this.#sinks.values()]) guard(() => sink.onLive(logId));
  }

  #down(error: LogError | undefined): void {
    const reason = error ?? closedError();
    this.#feeds.clear();
    this.#produces.onDown(reason);
    this.#requests.onDown(reason);
    for (const sink of [...this.#sinks.values()]) guard(() => sink.onDown());
  }

  #end(error: LogError | undefined): void {
    this.#stopLifecycle?.();
    this.#dialled?.abort.abort();
    this.#requests.close(error ?? closedError());
    this.#produces.close(error ?? closedError());
  }

  // The socket.

  #dial(url: string): void {
    const dialled: Dialled = { abort: new AbortController(), connection: undefined, gone: false, onGone: [] };
    this.#dialled = dialled;
    this.#stated = undefined;
    const { token } = this.#options;
    if (typeof token !== 'function') {
      this.#open(dialled, url, token);
      return;
    }
    // A failing token callback is no verdict of the gateway: it is asked again with the next dial.
    Promise.resolve()
      .then(() => token({ signal: dialled.abort.signal }))
      .then(
        (value) => this.#open(dialled, url, value),
        (cause) => {
          const message = `the token callback failed: ${cause instanceof Error ? cause.message : String(cause)}`;
          this.#lose(dialled, new LogError('NETWORK_EXCEPTION', message, { cause }), false);
        },
      );
  }

  #open(dialled: Dialled, url: string, token: string | undefined): void {
    if (this.#dialled !== dialled) return;
    this.#tell({ type: 'authorized' });
    try {
      dialled.connection = this.#options.transport.dial(url, PROTOCOL_NAME, {
        onOpen: () => {
          if (this.#dialled !== dialled) return;
          this.#tell({ type: 'opened' });
          this.#send({
            type: 'hello',
            versions: [PROTOCOL_VERSION],
            clientId: this.clientId,
            software: { name: 'distributedlog-js', version: VERSION },
            codecs: ['gzip'],
            ...(token === undefined ? {} : { token }),
          });
        },
        onFrame: (frame) => {
          if (this.#dialled === dialled) this.#onFrame(frame);
        },
        onClose: ({ code, reason }) => {
          dialled.gone = true;
          for (const tell of dialled.onGone) tell();
          this.#lose(dialled, this.#closeError(url, code, reason), !mayReconnect(code));
        },
      });
    } catch (error) {
      dialled.gone = true;
      this.#lose(dialled, LogError.from(error), true);
    }
  }

  #lose(dialled: Dialled, error: LogError, final: boolean): void {
    if (this.#dialled !== dialled) return;
    this.#dialled = undefined;
    this.#tell({ type: 'lost', error, final });
  }

  #hangUp(code: number, reason: string): void {
    const dialled = this.#dialled;
    this.#dialled = undefined;
    dialled?.abort.abort();
    dialled?.connection?.close(code, reason);
  }

  #closeError(url: string, code: number, reason: string): LogError {
    const known = Object.values(CLOSE_CODES).find((entry) => entry.code === code);
    const why = reason !== '' ? reason : (known?.meaning ?? '');
    const opened = this.#machine.phase === 'live' || this.#machine.phase === 'greeting';
    const what = opened ? 'the connection was closed' : 'could not connect';
    const message = `${url}: ${what} (${code}${why === '' ? '' : `: ${why}`})`;
    if (mayReconnect(code)) return new LogError('NETWORK_EXCEPTION', message, { cause: this.#stated });
    if (this.#stated !== undefined) return this.#stated;
    switch (code) {
      case CLOSE_CODES.UNAUTHENTICATED.code:
        return new LogError('UNAUTHENTICATED', message);
      case CLOSE_CODES.UNSUPPORTED_VERSION.code:
        return new LogError('UNSUPPORTED_VERSION', message);
      case CLOSE_CODES.PROTOCOL_VIOLATION.code:
        return new LogError('INVALID_REQUEST', message);
      case CLOSE_CODES.FENCED.code:
        return new LogError('FENCED_MEMBER_EPOCH', message);
      case CLOSE_CODES.NORMAL.code:
        return new LogError('CLOSED', message);
      default:
        return new LogError('POLICY_VIOLATION', message);
    }
  }

  #whenGone(dialled: Dialled): Promise<void> {
    if (dialled.gone || dialled.connection === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const stop = this.clock.after(CLOSE_WAIT_MS, resolve);
      dialled.onGone.push(() => {
        stop();
        resolve();
      });
    });
  }

  #send(frame: ClientFrame): void {
    this.#dialled?.connection?.send(encodeClientFrame(frame));
  }

  #probe(): void {
    // An answer is a frame like any other, so nobody waits for this one in particular; the connection machine hears it.
    this.#requests.submit(this.#controlRequest({ type: 'ping' }), { retry: false }).catch(() => undefined);
  }

  #controlRequest(frame: Omit<ClientFrameOf<RequestType>, 'id'>): Request {
    return { type: frame.type, encode: (id) => encodeClientFrame({ ...frame, id } as ClientFrame) };
  }

  // Frames.

  #onFrame(frame: string | Uint8Array): void {
    this.#machine.heard(this.clock.now());
    try {
      if (typeof frame === 'string') {
        const control = parseServerFrame(frame);
        // A type this client does not know comes from a newer gateway.
        if (control !== undefined) this.#onControl(control);
      } else this.#onData(parseDataFrame(frame));
    } catch (cause) {
      const error = new LogError(
        'NETWORK_EXCEPTION',
        `the gateway broke the protocol: ${LogError.from(cause).message}`,
        { cause },
      );
      this.#tell({ type: 'broken', error, code: CLOSE_CODES.PROTOCOL_VIOLATION.code, final: false });
    }
  }

  #onData(frame: DataFrame): void {
    this.#topics.onData(frame.topicId, frame.partition, frame);
    for (const { consumer, epoch } of this.#feeds.of(frame.stream)) {
      const sink = this.#sinks.get(consumer);
      if (sink !== undefined) guard(() => sink.onData(frame, epoch));
    }
  }

  #onControl(frame: ServerFrame): void {
    switch (frame.type) {
      case 'welcome':
        this.#onWelcome(frame);
        break;
      case 'error': {
        const { id } = frame;
        if (id === undefined) this.#stated = errorOf(frame);
        else {
          this.#requests.onError({ ...frame, id });
          this.#produces.onError({ ...frame, id });
        }
        break;
      }
      case 'feed':
        this.#feeds.open(frame);
        break;
      case 'fetchError':
        this.#feeds.close(frame.consumer, frame.topicId, frame.partition, frame.epoch);
        this.#toSink(frame.consumer, (sink) => sink.onFetchError(frame));
        break;
      case 'assignment':
        this.#toSink(frame.consumer, (sink) => sink.onAssignment(frame));
        break;
      case 'fenced':
        this.#toSink(frame.consumer, (sink) => sink.onFenced(frame));
        break;
      case 'heartbeat':
        this.#topics.onEndsFrame(frame.ends);
        this.#answerHeartbeat();
        break;
      case 'ends':
        this.#topics.onEndsFrame(frame.partitions);
        break;
      case 'topics':
        this.#topics.onTopics(frame);
        break;
      case 'throttled':
        for (const sink of [...this.#sinks.values()]) guard(() => sink.onThrottled(frame.delayMs));
        break;
      case 'goaway':
        this.#tell({ type: 'goaway', reconnectAfterMs: frame.reconnectAfterMs, closeInMs: frame.closeInMs });
        break;
      case 'produce':
        this.#measure(this.#produces.onReply(frame));
        break;
      default:
        this.#measure(this.#requests.onReply(frame));
    }
  }

  #onWelcome(frame: ServerFrameOf<'welcome'>): void {
    if (frame.version !== PROTOCOL_VERSION) {
      const message = `the gateway speaks version ${frame.version} of the protocol, this client version ${PROTOCOL_VERSION}`;
      const error = new LogError('UNSUPPORTED_VERSION', message);
      this.#tell({ type: 'broken', error, code: CLOSE_CODES.UNSUPPORTED_VERSION.code, final: true });
      return;
    }
    this.#limits = frame.limits;
    const { sessionId, logId, heartbeatIntervalMs, heartbeatTimeoutMs } = frame;
    this.#tell({ type: 'welcome', sessionId, logId, heartbeatIntervalMs, heartbeatTimeoutMs });
  }

  #answerHeartbeat(): void {
    const consumers: { consumer: number; busyMs: number }[] = [];
    for (const [consumer, sink] of this.#sinks) {
      guard(() => {
        const busyMs = sink.busyMs();
        if (busyMs !== undefined) consumers.push({ consumer, busyMs: Math.max(0, Math.round(busyMs)) });
      });
    }
    this.#send(consumers.length === 0 ? { type: 'heartbeat' } : { type: 'heartbeat', consumers });
  }

  #toSink(consumer: number, use: (sink: FetchSink) => void): void {
    const sink = this.#sinks.get(consumer);
    if (sink !== undefined) guard(() => use(sink));
  }

  #measure(roundTripMs: number | undefined): void {
    if (roundTripMs !== undefined) this.#roundTripMs = Math.min(this.#roundTripMs ?? roundTripMs, roundTripMs);
  }
}

/** One dial and what became of it; what an abandoned one still says is not heard. */
interface Dialled {
  readonly abort: AbortController;
  readonly onGone: (() => void)[];
  connection: Connection | undefined;
  gone: boolean;
}

function closedError(): LogError {
  return new LogError('CLOSED', 'the connection has been closed');
}

/** What a sink throws is a bug, but not one of the socket: it surfaces as an uncaught error while frames go on being read. */
function guard(call: () => void): void {
  try {
    call();
  } catch (error) {
    report(error);
  }
}

function report(error: unknown): void {
  setTimeout(() => {
    throw error;
  });
}
