// The contract of one live session with a gateway, shared by all consumers, producers and admins of a client.
import type { Observable } from 'rxjs';
import type {
  ClientFrameOf,
  DataFrame,
  Decompressors,
  LogError,
  ServerFrame,
  ServerFrameOf,
  TopicInfo,
} from '../protocol/index.ts';
import type { Clock, Random } from './clock.ts';
import type { Transport } from './transport.ts';

export type ConnectionStatus =
  /** The first dial, or a dial that follows a failed one. `attempt` counts from 1; 0: nothing has been dialled yet. */
  | { readonly type: 'connecting'; readonly url: string; readonly attempt: number }
  | { readonly type: 'live'; readonly url: string; readonly sessionId: string; readonly logId: string }
  /** Waiting `delayMs` before the next dial. `error` says why the last connection ended or the last dial failed. */
  | { readonly type: 'reconnecting'; readonly attempt: number; readonly delayMs: number; readonly error: LogError }
  /** For good: by close(), or by an error that no retry can mend. */
  | { readonly type: 'closed'; readonly error?: LogError };

/** Frames that are answered by a reply of the same type. */
export type RequestType =
  | 'metadata'
  | 'createTopic'
  | 'deleteTopic'
  | 'listOffsets'
  | 'initProducer'
  | 'join'
  | 'leave'
  | 'commit'
  | 'committed'
  | 'listGroups'
  | 'describeGroup'
  | 'deleteGroup'
  | 'ping';
/** `type` decides what else the frame has, and the answer; the session numbers it. */
export type RequestFrame<T extends RequestType> = { readonly type: T } & Omit<ClientFrameOf<T>, 'id'>;
export interface RequestOptions {
  /** Default: the client's requestTimeoutMs. Rejects with TIMED_OUT. */
  readonly timeoutMs?: number | undefined;
  /** Rejects with ABORTED. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Default true: the request is repeated over reconnects, and after retriable errors with backoff, until timeout, abort, close or a final error (also one that only another request can mend: STALE_MEMBER_EPOCH, UNKNOWN_TOPIC_ID, FENCED_LEADER_EPOCH, CORRUPT_MESSAGE).
   * false: fail with NETWORK_EXCEPTION when the connection drops (sent or not), and with any error, instead of asking again; a request made while nothing is live waits for the connection.
   * 'unsent': as false, but what a gateway that is going away was never asked waits for the next connection.
   */
  readonly retry?: boolean | 'unsent' | undefined;
  /** Called on the socket's read path, before any frame behind the answer is looked at; the promise settles only later. Not for frames that are split. */
  readonly onAnswer?: ((frame: ServerFrame) => void) | undefined;
}

/** What a consumer attaches to the session: called synchronously from the socket's read path, so it must not block or throw. */
export interface FetchSink {
  /** `bytes` is what the frame counts for in the consumer's credit. `epoch` is that of the feed; the sink drops what is old. */
  onData(frame: DataFrame, epoch: number): void;
  onFetchError(frame: ServerFrameOf<'fetchError'>): void;
  onAssignment(frame: ServerFrameOf<'assignment'>): void;
  onFenced(frame: ServerFrameOf<'fenced'>): void;
  onThrottled(delayMs: number): void;
  /** The connection is live (again): open fetches anew from your own positions, with credit counted from zero. Attached while live, it is called once soon after attach() returned. */
  onLive(logId: string): void;
  /** The connection is gone; feeds and credit with it. */
  onDown(): void;
  /** The page goes away: after this call the connection is closed, and maybe nothing is called any more. */
  onHide(): void;
  /** An answer for the gateway's heartbeat: ms the application has been at its present work, or undefined when idle. */
  busyMs(): number | undefined;
}
export interface FetchChannel {
  /** The number of this consumer on the socket. */
  readonly consumer: number;
  /** Sends now if live; else it is dropped, since onLive opens everything anew. Lists over the frame limits are split. */
  send(
    frame:
      | Omit<ClientFrameOf<'fetch'>, 'consumer'>
      | Omit<ClientFrameOf<'credit'>, 'consumer'>
      | Omit<ClientFrameOf<'fetchClose'>, 'consumer'>
      | Omit<ClientFrameOf<'owned'>, 'consumer'>,
  ): void;
  detach(): void;
}

export interface LogEnds {
  readonly logStart: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
}

/** Topics as the gateway last described them; kept fresh by pushes once `watch()` was called. */
export interface TopicCache {
  byName(name: string): TopicInfo | undefined;
  names(): readonly string[];
  /** Newest known ends: from metadata, `ends`, `heartbeat` and data frames. */
  ends(topicId: string, partition: number): LogEnds | undefined;
  /** From now on (and over reconnects) topics are pushed. Resolves with the first full list. */
  watch(options?: RequestOptions): Promise<void>;
  /** After any change of topics (not of ends). Returns how to stop. */
  onChange(listener: () => void): () => void;
  /** After any change of ends. Returns how to stop. */
  onEnds(listener: () => void): () => void;
  /** Describes the named topics, asking the gateway, creating them where `autoCreate` and the log allow. Throws INVALID_TOPIC_EXCEPTION, TOPIC_AUTHORIZATION_FAILED; an unknown topic is absent from the result. */
  describe(
    names: readonly string[] | undefined,
    options?: RequestOptions & { autoCreate?: boolean },
  ): Promise<TopicInfo[]>;
}

export interface Session {
  readonly clock: Clock;
  readonly random: Random;
  readonly clientId: string;
  readonly requestTimeoutMs: number;
  /** For the codecs that were announced to the gateway. */
  readonly decompressors: Decompressors;
  readonly topics: TopicCache;
  readonly status$: Observable<ConnectionStatus>;
  readonly status: ConnectionStatus;
  /** Times the connection became live again after a drop. */
  readonly reconnects: number;
  /** Smallest round trip measured on this connection, ms; undefined before the first. */
  readonly roundTripMs: number | undefined;
  /** At this time (ms on the clock) or later the gateway has certainly heard this client: only what it answered proves that. 0 before the first answer. */
  readonly heardAt: number;
  /** As the transport's; undefined at once where it has none. */
  readonly keepsake: NonNullable<Transport['keepsake']> | undefined;
  /** Dials if nothing has yet. */
  connect(): void;
  /** Resolves when live; rejects with the terminal error, TIMED_OUT, ABORTED or CLOSED. */
  whenLive(options?: RequestOptions): Promise<void>;
  request<T extends RequestType>(frame: RequestFrame<T>, options?: RequestOptions): Promise<ServerFrameOf<T>>;
  /** One encoded batch; resolves when it is durable. Not repeated by the session: the producer owns retries and their order. */
  produce(
    topicId: string,
    partition: number,
    batch: Uint8Array,
    options?: RequestOptions,
  ): Promise<ServerFrameOf<'produce'>>;
  attach(sink: FetchSink): FetchChannel;
  /** Counts users of the connection; when the last one releases it, it closes 1000. */
  retain(): () => Promise<void>;
  close(error?: LogError): Promise<void>;
}

/** A config that carries this shares the session instead of opening one: how Client hands its connection to what it makes. */
export const SESSION: unique symbol = Symbol('distributedlog.session');
/** Called when what was made with the shared session lets go of it; maybe more than once. */
export const RELEASED: unique symbol = Symbol('distributedlog.released');
export interface WithSession {
  readonly [SESSION]?: Session;
  readonly [RELEASED]?: () => void;
}
