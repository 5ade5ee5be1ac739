// One dial and the socket that came of it, from the token to the close. Knows nothing of when to dial and what frames say.
import { CLOSE_CODES, type ErrorCode, LogError, mayReconnect, PROTOCOL_NAME } from '../protocol/index.ts';
import type { Clock } from './clock.ts';
import type { TokenSource } from './config.ts';
import type { Connection, Transport } from './transport.ts';

export interface DialOptions {
  readonly transport: Transport;
  readonly url: string;
  readonly token: TokenSource | undefined;
}
/** Called until hangUp(); then the dial is not heard any more. */
export interface DialHandlers {
  /** The token is there, the socket is being dialled. */
  onAuthorized(): void;
  onOpen(token: string | undefined): void;
  onFrame(frame: string | Uint8Array): void;
  /** Once. `final`: dialling again cannot mend it. */
  onLost(error: LogError, final: boolean): void;
}

/** What a final close means where the gateway has not said more. */
const FINAL_CODES: ReadonlyMap<number, ErrorCode> = new Map([
  [CLOSE_CODES.UNAUTHENTICATED.code, 'UNAUTHENTICATED'],
  [CLOSE_CODES.UNSUPPORTED_VERSION.code, 'UNSUPPORTED_VERSION'],
  [CLOSE_CODES.PROTOCOL_VIOLATION.code, 'INVALID_REQUEST'],
  [CLOSE_CODES.FENCED.code, 'FENCED_MEMBER_EPOCH'],
  [CLOSE_CODES.NORMAL.code, 'CLOSED'],
]);

export class Dial {
  readonly #options: DialOptions;
  readonly #handlers: DialHandlers;
  readonly #abort = new AbortController();
  readonly #onGone: (() => void)[] = [];
  #connection: Connection | undefined;
  #opened = false;
  /** The socket has reported its close, or there was none. */
  #gone = false;
  /** Nothing more is told. */
  #over = false;
  /** The last error the gateway stated without being asked: it explains the close that follows. */
  stated: LogError | undefined;
  /** The gateway has taken the token: if it refuses it later, it has expired, and a token callback may have a new one. */
  welcomed = false;

  constructor(options: DialOptions, handlers: DialHandlers) {
    this.#options = options;
    this.#handlers = handlers;
  }

  start(): void {
    const { token } = this.#options;
    if (typeof token !== 'function') {
      this.#dial(token);
      return;
    }
    // A failing token callback is no verdict of the gateway: it is asked again with the next dial.
    Promise.resolve()
      .then(() => token({ signal: this.#abort.signal }))
      .then(
        (value) => this.#dial(value),
        (cause: unknown) => {
          const message = `the token callback failed: ${cause instanceof Error ? cause.message : String(cause)}`;
          this.#lose(new LogError('NETWORK_EXCEPTION', message, { cause }), false);
        },
      );
  }

  send(frame: string | Uint8Array): void {
    if (this.#opened && !this.#over) this.#connection?.send(frame);
  }

  /** Closes the socket, if there is one yet. */
  hangUp(code: number, reason: string): void {
    this.#over = true;
    this.#abort.abort();
    this.#connection?.close(code, reason);
  }

  /** Resolves when the socket is closed, or after `timeoutMs`. */
  whenGone(clock: Clock, timeoutMs: number): Promise<void> {
    if (this.#gone || this.#connection === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const stop = clock.after(timeoutMs, resolve);
      this.#onGone.push(() => {
        stop();
        resolve();
      });
    });
  }

  #dial(token: string | undefined): void {
    if (this.#over) return;
    const { transport, url } = this.#options;
    this.#handlers.onAuthorized();
    try {
      this.#connection = transport.dial(url, PROTOCOL_NAME, {
        onOpen: () => {
          this.#opened = true;
          if (!this.#over) this.#handlers.onOpen(token);
        },
        onFrame: (frame) => {
          if (!this.#over) this.#handlers.onFrame(frame);
        },
        onClose: ({ code, reason }) => {
          this.#gone = true;
          for (const tell of this.#onGone) tell();
          this.#lose(this.#closeError(code, reason), !this.#mayRedial(code));
        },
      });
    } catch (error) {
      this.#gone = true;
      this.#lose(LogError.from(error), true);
    }
  }

  #lose(error: LogError, final: boolean): void {
    if (this.#over) return;
    this.#over = true;
    this.#abort.abort();
    this.#handlers.onLost(error, final);
  }

  /** A token that is refused at once is refused for good: the callback was asked for it just now. */
  #mayRedial(code: number): boolean {
    if (mayReconnect(code)) return true;
    return code === CLOSE_CODES.UNAUTHENTICATED.code && this.welcomed && typeof this.#options.token === 'function';
  }

  #closeError(code: number, reason: string): LogError {
    const why = reason || (Object.entries(CLOSE_CODES).find(([, known]) => known.code === code)?.[0] ?? '');
    const what = this.#opened ? 'the connection was closed' : 'could not connect';
    const message = `${this.#options.url}: ${what} (${code}${why && `: ${why}`})`;
    const cause = this.stated;
    if (mayReconnect(code)) return new LogError('NETWORK_EXCEPTION', message, { cause });
    return cause ?? new LogError(FINAL_CODES.get(code) ?? 'POLICY_VIOLATION', message);
  }
}
