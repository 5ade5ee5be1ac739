// Requests that wait for their turn, for the connection or for their answer. Knows nothing of what they ask, nor of sockets.
import { type ErrorCode, type ErrorFrame, isErrorCode, LogError, type ServerFrame } from '../protocol/index.ts';
import { type Backoff, backoffMs } from './backoff.ts';
import type { Clock, Random } from './clock.ts';
import type { RequestOptions } from './session.ts';

export interface RequestTableOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Between an answer that says "later" and the next try. */
  readonly backoff: Backoff;
  /** For requests that do not say. */
  readonly timeoutMs: number;
  /** Requests sent and not yet answered; more of them wait here. */
  readonly maxInFlight: number;
  /** Requests that may wait; more of them fail with THROTTLING_QUOTA_EXCEEDED. */
  readonly maxWaiting: number;
  /** Unique among all that share the connection. */
  readonly nextId: () => number;
  readonly send: (frame: string | Uint8Array) => void;
}

export interface Request {
  /** For messages, and the type the answer must have. */
  readonly type: ServerFrame['type'];
  /** Called for each sending. May throw a LogError, which fails the request. */
  readonly encode: (id: number) => string | Uint8Array;
}

interface Entry extends Request {
  readonly order: number;
  readonly onAnswer: RequestOptions['onAnswer'];
  readonly retry: boolean | 'unsent';
  readonly resolve: (frame: ServerFrame) => void;
  readonly reject: (error: LogError) => void;
  /** Timer and abort listener. */
  readonly release: (() => void)[];
  id: number | undefined;
  sentAt: number;
  failures: number;
  /** Why it had to be asked again. */
  lastError: LogError | undefined;
  /** Until when it waits after a retriable error. */
  stopBackoff: (() => void) | undefined;
}

/** Retriable, but not by asking the very same again. */
const NEEDS_ANOTHER_REQUEST: ReadonlySet<ErrorCode> = new Set([
  'STALE_MEMBER_EPOCH',
  'UNKNOWN_TOPIC_ID',
  'FENCED_LEADER_EPOCH',
  'CORRUPT_MESSAGE',
]);

export class RequestTable {
  readonly #options: RequestTableOptions;
  readonly #sent = new Map<number, Entry>();
  #waiting: Entry[] = [];
  #order = 0;
  #live = false;
  /** The connection is being left: called when nothing awaits its answer any more. */
  #onDrained: (() => void) | undefined;
  #closed: LogError | undefined;

  constructor(options: RequestTableOptions) {
    this.#options = options;
  }

  submit(request: Request, options: RequestOptions = {}): Promise<ServerFrame> {
    const { clock, maxWaiting, timeoutMs: defaultTimeoutMs } = this.#options;
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (options.signal?.aborted) return Promise.reject(aborted(options.signal));
    if (this.#waiting.length >= maxWaiting) {
      const message = `${request.type}: ${maxWaiting} requests are waiting already`;
      return Promise.reject(new LogError('THROTTLING_QUOTA_EXCEEDED', message));
    }
    return new Promise((resolve, reject) => {
      const entry: Entry = {
        ...request,
        order: this.#order++,
        onAnswer: options.onAnswer,
        retry: options.retry ?? true,
        resolve,
        reject,
        release: [],
        id: undefined,
        sentAt: 0,
        failures: 0,
        lastError: undefined,
        stopBackoff: undefined,
      };
      const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
      entry.release.push(
        clock.after(timeoutMs, () => {
          const where = this.#live || entry.id !== undefined ? 'no answer' : 'no connection';
          const cause = entry.lastError;
          const why = cause === undefined ? '' : `; the last try failed: ${cause.message}`;
          const message = `${request.type}: ${where} within ${timeoutMs} ms${why}`;
          this.#fail(entry, new LogError('TIMED_OUT', message, { cause }));
        }),
      );
      const { signal } = options;
      if (signal !== undefined) {
        const onAbort = () => this.#fail(entry, aborted(signal));
        signal.addEventListener('abort', onAbort, { once: true });
        entry.release.push(() => signal.removeEventListener('abort', onAbort));
      }
      this.#waiting.push(entry);
      this.#pump();
    });
  }

  onLive(): void {
    this.#live = true;
    this.#pump();
  }

  /** Sends nothing more on this connection; what comes waits for the next one. `onDrained` is called once all that was sent is answered. */
  drain(onDrained: () => void): void {
    this.#live = false;
    this.#onDrained = onDrained;
    this.#checkDrained();
  }

  /**
   * What was sent is asked again on the next connection, before what came later, or fails if it must not be. What is 'unsent'
   * goes on waiting only where all before it was answered: it must not overtake what failed.
   */
  onDown(error: LogError): void {
    this.#live = false;
    this.#onDrained = undefined;
    const answered = this.#sent.size === 0;
    const entries = [...this.#sent.values(), ...this.#waiting].sort((a, b) => a.order - b.order);
    this.#sent.clear();
    this.#waiting = [];
    for (const entry of entries) {
      entry.id = undefined;
      if (entry.retry === true || (entry.retry === 'unsent' && answered)) this.#waiting.push(entry);
      else this.#fail(entry, new LogError('NETWORK_EXCEPTION', `${entry.type}: ${error.message}`, { cause: error }));
    }
  }

  /** When the request that waits for this answer was sent. */
  sentAt(id: number): number | undefined {
    return this.#sent.get(id)?.sentAt;
  }
  /** Throws INVALID_REQUEST when the answer is of another type. */
  onReply(frame: ServerFrame & { readonly id: number }): void {
    const entry = this.#sent.get(frame.id);
    if (entry === undefined) return;
    if (frame.type !== entry.type) {
      throw new LogError('INVALID_REQUEST', `request ${frame.id} was ${entry.type}, the answer is ${frame.type}`);
    }
    this.#settle(entry);
    entry.onAnswer?.(frame);
    entry.resolve(frame);
    this.#pump();
  }

  onError(frame: ErrorFrame & { readonly id: number }): void {
    const entry = this.#sent.get(frame.id);
    if (entry === undefined) return;
    const error = errorOf(frame);
    if (entry.retry !== true || !error.retriable || NEEDS_ANOTHER_REQUEST.has(error.code)) {
      this.#fail(entry, error);
      return;
    }
    const { clock, random, backoff } = this.#options;
    this.#sent.delete(frame.id);
    this.#checkDrained();
    entry.id = undefined;
    entry.lastError = error;
    this.#waiting.push(entry);
    const delayMs = Math.max(backoffMs(backoff, entry.failures++, random), error.retryAfterMs ?? 0);
    entry.stopBackoff = clock.after(delayMs, () => {
      entry.stopBackoff = undefined;
      this.#pump();
    });
    this.#pump();
  }

  /** For good. */
  close(error: LogError): void {
    this.#closed = error;
    this.#live = false;
    for (const entry of [...this.#sent.values(), ...this.#waiting]) this.#fail(entry, error);
  }

  #pump(): void {
    const { clock, maxInFlight, nextId, send } = this.#options;
    while (this.#live && this.#sent.size < maxInFlight) {
      const index = this.#waiting.findIndex((waiting) => waiting.stopBackoff === undefined);
      const entry = this.#waiting[index];
      if (entry === undefined) return;
      this.#waiting.splice(index, 1);
      const id = nextId();
      try {
        const frame = entry.encode(id);
        entry.id = id;
        entry.sentAt = clock.now();
        this.#sent.set(id, entry);
        send(frame);
      } catch (error) {
        this.#fail(entry, LogError.from(error));
      }
    }
  }

  #settle(entry: Entry): void {
    if (entry.id !== undefined) this.#sent.delete(entry.id);
    else this.#waiting = this.#waiting.filter((other) => other !== entry);
    entry.stopBackoff?.();
    for (const release of entry.release) release();
    this.#checkDrained();
  }

  #checkDrained(): void {
    if (this.#sent.size > 0 || this.#onDrained === undefined) return;
    const onDrained = this.#onDrained;
    this.#onDrained = undefined;
    onDrained();
  }

  #fail(entry: Entry, error: LogError): void {
    this.#settle(entry);
    entry.reject(error);
    this.#pump();
  }
}

/** An error frame as the LogError it describes; a code this client does not know becomes UNKNOWN_SERVER_ERROR. */
export function errorOf(frame: Omit<ErrorFrame, 'type' | 'id'>): LogError {
  const { code, message, retriable, retryAfterMs, topic, partition, offset, logStart, logEnd } = frame;
  const context = { retriable, retryAfterMs, topic, partition, offset, logStart, logEnd };
  if (isErrorCode(code)) return new LogError(code, message, context);
  return new LogError('UNKNOWN_SERVER_ERROR', `${code}: ${message}`, context);
}

export function aborted(signal: AbortSignal): LogError {
  return new LogError('ABORTED', 'aborted by the caller', { cause: signal.reason });
}
