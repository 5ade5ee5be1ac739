// One session with a gateway: drives the connection machine with a transport and a clock, and hands frames to whom they are for. Knows nothing of what consumers and producers do with them.
import type { Observable } from 'rxjs';
import {
  CLOSE_CODES,
  type ClientFrame,
  type ClientFrameOf,
  codecsOf,
  type Decompressors,
  type ErrorFrame,
  encodeClientFrame,
  LogError,
  PROTOCOL_LIMITS,
  PROTOCOL_VERSION,
  parseDataFrame,
  parseServerFrame,
  type ServerFrame,
  type ServerFrameOf,
  withBuiltIn,
} from '../protocol/index.ts';
import type { Clock, Random } from './clock.ts';
import type { TokenSource } from './config.ts';
import { type ConnectionEffect, ConnectionMachine } from './connection-state.ts';
import type {
  ConnectionStatus,
  FetchChannel,
  FetchSink,
  RequestFrame,
  RequestOptions,
  RequestType,
  Session,
  TopicCache,
} from './session.ts';
import { fetchChannel } from './session-channel.ts';
import { Dial } from './session-dial.ts';
import { ConnectionDriver } from './session-driver.ts';
import { controlRequest, produceRequest } from './session-encode.ts';
import { errorOf, RequestTable } from './session-requests.ts';
import { reportUncaught, Sinks } from './session-sinks.ts';
import { mergeReplies, splitRequest, type Unnumbered } from './session-split.ts';
import { closedError, StatusCell } from './session-status.ts';
import { SessionTopics } from './topic-cache.ts';
import type { Transport } from './transport.ts';
import { VERSION } from './version.ts';

export interface SessionOptions {
  readonly transport: Transport;
  /** See parseBootstrapServers. Tried in turn. */
  readonly urls: readonly string[];
  readonly clientId: string;
  readonly token?: TokenSource | undefined;
  readonly decompressors?: Decompressors | undefined;
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
  readonly decompressors: Decompressors;
  readonly topics: TopicCache;
  readonly status$: Observable<ConnectionStatus>;

  readonly #options: SessionOptions;
  readonly #driver: ConnectionDriver;
  readonly #topics: SessionTopics;
  readonly #requests: RequestTable;
  readonly #produces: RequestTable;
  readonly #sinks = new Sinks();
  readonly #status: StatusCell;
  #dial: Dial | undefined;
  #limits: ServerFrameOf<'welcome'>['limits'] = PROTOCOL_LIMITS;
  #stopLifecycle: (() => void) | undefined;
  #lives = 0;
  #roundTripMs: number | undefined;
  #heardAt = 0;
  #ids = 0;
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
    this.decompressors = withBuiltIn(options.decompressors);
    const machine = new ConnectionMachine({ urls, backoff, requestTimeoutMs, random });
    this.#driver = new ConnectionDriver(machine, clock, (effect) => this.#perform(effect));
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
      send: (frame: string | Uint8Array) => this.#dial?.send(frame),
    };
    this.#requests = new RequestTable(table);
    this.#produces = new RequestTable(table);
    this.#topics = new SessionTopics(
      (question, how) => this.request({ type: 'metadata', ...question }, how),
      reportUncaught,
    );
    this.topics = this.#topics;
    this.#status = new StatusCell({ type: 'connecting', url: this.#driver.url, attempt: 0 });
    this.status$ = this.#status.status$;
  }

  get status(): ConnectionStatus {
    return this.#status.current;
  }
  get reconnects(): number {
    return Math.max(0, this.#lives - 1);
  }
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  get heardAt(): number {
    return this.#heardAt;
  }
  get keepsake(): Session['keepsake'] {
    const { transport } = this.#options;
    return transport.keepsake?.bind(transport);
  }

  connect(): void {
    if (!this.#driver.idle) return;
    this.#stopLifecycle = this.#options.transport.onLifecycle?.((signal) => {
      if (signal === 'pagehide') this.#sinks.onHide();
      this.#driver.tell({ type: 'lifecycle', signal });
    });
    this.#driver.tell({ type: 'connect' });
  }

  whenLive(options: RequestOptions = {}): Promise<void> {
    this.connect();
    return this.#status.whenLive(this.clock, options.timeoutMs ?? this.requestTimeoutMs, options);
  }

  async request<T extends RequestType>(frame: RequestFrame<T>, options?: RequestOptions): Promise<ServerFrameOf<T>> {
    this.connect();
    const parts = splitRequest(frame as Unnumbered, this.#limits.maxTextFrameBytes);
    const replies = await Promise.all(parts.map((part) => this.#requests.submit(controlRequest(part), options)));
    return mergeReplies(replies) as ServerFrameOf<T>;
  }

  async produce(
    topicId: string,
    partition: number,
    batch: Uint8Array,
    options?: RequestOptions,
  ): Promise<ServerFrameOf<'produce'>> {
    this.connect();
    const request = produceRequest(topicId, partition, batch, () => this.#limits.maxFrameBytes);
    return (await this.#produces.submit(request, { ...options, retry: 'unsent' })) as ServerFrameOf<'produce'>;
  }

  attach(sink: FetchSink): FetchChannel {
    const consumer = this.#sinks.attach(sink, () => (this.status.type === 'live' ? this.status.logId : undefined));
    return fetchChannel(consumer, this.#sinks, {
      isLive: () => this.status.type === 'live',
      send: (frame) => this.#send(frame),
      ping: (onAnswer) => this.#ping(onAnswer),
    });
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
      const dial = this.#dial;
      this.#driver.tell({ type: 'close', error });
      this.#closed = dial === undefined ? Promise.resolve() : dial.whenGone(this.clock, CLOSE_WAIT_MS);
    }
    return this.#closed;
  }

  // The machine.

  #perform(effect: ConnectionEffect): void {
    switch (effect.type) {
      case 'dial':
        this.#startDial(effect.url);
        break;
      case 'hangUp':
        this.#dial?.hangUp(effect.code, effect.reason);
        this.#dial = undefined;
        break;
      case 'ping':
        this.#ping();
        break;
      case 'drain':
        this.#drain();
        break;
      case 'status':
        this.#setStatus(effect.status);
        break;
    }
  }

  #setStatus(status: ConnectionStatus): void {
    const was = this.status;
    this.#status.set(status);
    if (was.type === 'live') this.#down('error' in status ? status.error : undefined);
    if (status.type === 'live') this.#up(status.logId);
    if (status.type === 'closed') this.#end(status.error ?? closedError());
    this.#status.publish();
  }

  #up(logId: string): void {
    this.#lives++;
    this.#roundTripMs = undefined;
    this.#ping();
    this.#topics.onLive();
    this.#requests.onLive();
    this.#produces.onLive();
    this.#sinks.onLive(logId);
  }

  #down(error = closedError()): void {
    this.#produces.onDown(error);
    this.#requests.onDown(error);
    this.#sinks.onDown();
  }

  #drain(): void {
    const tables = [this.#requests, this.#produces];
    let busy = tables.length;
    for (const table of tables) {
      table.drain(() => {
        if (--busy === 0) this.#driver.tell({ type: 'drained' });
      });
    }
  }

  #end(error: LogError): void {
    this.#stopLifecycle?.();
    this.#requests.close(error);
    this.#produces.close(error);
  }

  #startDial(url: string): void {
    const { transport, token } = this.#options;
    const dial = new Dial(
      { transport, url, token },
      {
        onAuthorized: () => this.#driver.tell({ type: 'authorized' }),
        onOpen: (token) => {
          this.#driver.tell({ type: 'opened' });
          this.#send({
            type: 'hello',
            versions: [PROTOCOL_VERSION],
            clientId: this.clientId,
            software: { name: 'distributedlog-js', version: VERSION },
            // The gateway decompresses what is in others.
            codecs: codecsOf(this.decompressors),
            token,
          });
        },
        onFrame: (frame) => this.#onFrame(frame),
        onLost: (error, final) => {
          this.#dial = undefined;
          this.#driver.tell({ type: 'lost', error, final });
        },
      },
    );
    this.#dial = dial;
    dial.start();
  }

  #send(frame: ClientFrame): void {
    this.#dial?.send(encodeClientFrame(frame));
  }

  /** The connection machine hears the answer as it hears any frame; where none comes, the connection is gone. */
  #ping(onAnswer?: () => void): void {
    this.#requests.submit(controlRequest({ type: 'ping' }), { retry: false, onAnswer }).catch(() => undefined);
  }

  // Frames.

  #onFrame(frame: string | Uint8Array): void {
    this.#driver.heard();
    try {
      if (typeof frame === 'string') {
        const control = parseServerFrame(frame);
        // A type this client does not know comes from a newer gateway.
        if (control !== undefined) this.#onControl(control);
      } else {
        const data = parseDataFrame(frame);
        this.#topics.onData(data.topicId, data.partition, data);
        this.#sinks.onData(data);
      }
    } catch (cause) {
      const error = new LogError(
        'NETWORK_EXCEPTION',
        `the gateway broke the protocol: ${LogError.from(cause).message}`,
        { cause },
      );
      this.#driver.tell({ type: 'broken', error, code: CLOSE_CODES.PROTOCOL_VIOLATION.code, final: false });
    }
  }

  #onControl(frame: ServerFrame): void {
    switch (frame.type) {
      case 'welcome':
        this.#onWelcome(frame);
        break;
      case 'error':
        this.#onError(frame);
        break;
      case 'feed':
        this.#sinks.onFeed(frame);
        break;
      case 'fetchError':
        this.#sinks.onFetchError(frame);
        break;
      case 'assignment':
        this.#sinks.onAssignment(frame);
        break;
      case 'fenced':
        this.#sinks.onFenced(frame);
        break;
      case 'throttled':
        this.#sinks.onThrottled(frame.delayMs);
        break;
      case 'heartbeat': {
        this.#topics.onEndsFrame(frame.ends);
        const consumers = this.#sinks.busy();
        this.#send(consumers.length === 0 ? { type: 'heartbeat' } : { type: 'heartbeat', consumers });
        // A heartbeat may be old when it is read; only an answer tells when we were heard.
        this.#ping();
        break;
      }
      case 'ends':
        this.#topics.onEndsFrame(frame.partitions);
        break;
      case 'topics':
        this.#topics.onTopics(frame);
        break;
      case 'goaway':
        this.#driver.tell(frame);
        break;
      case 'produce':
        this.#onReply(this.#produces, frame);
        break;
      default:
        this.#onReply(this.#requests, frame);
    }
  }

  #onError(frame: ErrorFrame): void {
    const { id } = frame;
    if (id === undefined) {
      if (this.#dial !== undefined) this.#dial.stated = errorOf(frame);
      return;
    }
    this.#requests.onError({ ...frame, id });
    this.#produces.onError({ ...frame, id });
  }

  #onWelcome(frame: ServerFrameOf<'welcome'>): void {
    if (frame.version !== PROTOCOL_VERSION) {
      const message = `the gateway speaks version ${frame.version} of the protocol, this client version ${PROTOCOL_VERSION}`;
      const error = new LogError('UNSUPPORTED_VERSION', message);
      this.#driver.tell({ type: 'broken', error, code: CLOSE_CODES.UNSUPPORTED_VERSION.code, final: true });
      return;
    }
    this.#limits = frame.limits;
    if (this.#dial !== undefined) this.#dial.welcomed = true;
    const { sessionId, logId, heartbeatIntervalMs, heartbeatTimeoutMs } = frame;
    this.#driver.tell({ type: 'welcome', sessionId, logId, heartbeatIntervalMs, heartbeatTimeoutMs });
  }

  #onReply(table: RequestTable, frame: Parameters<RequestTable['onReply']>[0]): void {
    const sentAt = table.sentAt(frame.id);
    if (sentAt !== undefined) {
      const roundTripMs = this.clock.now() - sentAt;
      this.#roundTripMs = Math.min(this.#roundTripMs ?? roundTripMs, roundTripMs);
      // When it was asked, not now: the answer may have lain in the socket while this process slept. Whoever asked may look at it.
      this.#heardAt = sentAt;
    }
    table.onReply(frame);
  }
}
