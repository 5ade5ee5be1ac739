// The latest status of a session, and waiting for it to be live. Knows nothing of how it comes about.
import { type Observable, Subscription } from 'rxjs';
import { LogError } from '../protocol/index.ts';
import type { Clock } from './clock.ts';
import type { ConnectionStatus, RequestOptions } from './session.ts';
import { State } from './state.ts';
import { waitFor } from './wait-options.ts';

export class StatusCell {
  readonly #told: State<ConnectionStatus>;
  readonly status$: Observable<ConnectionStatus>;
  #current: ConnectionStatus;

  constructor(initial: ConnectionStatus) {
    this.#current = initial;
    this.#told = new State(initial);
    this.status$ = this.#told.value$;
  }

  get current(): ConnectionStatus {
    return this.#current;
  }

  /** Holds from now on; nobody is told before publish(). */
  set(status: ConnectionStatus): void {
    this.#current = status;
  }

  publish(): void {
    this.#told.next(this.#current);
    if (this.#current.type === 'closed') this.#told.complete();
  }

  /** Rejects with the terminal error, CLOSED, TIMED_OUT or ABORTED. */
  async whenLive(clock: Clock, timeoutMs: number, { signal }: RequestOptions): Promise<void> {
    const subscription = new Subscription();
    const live = new Promise<void>((resolve, reject) => {
      const look = (status: ConnectionStatus): void => {
        if (status.type === 'live') resolve();
        if (status.type === 'closed') reject(status.error ?? closedError());
      };
      subscription.add(this.status$.subscribe(look));
    });
    try {
      await waitFor('connect', live, clock, { timeoutMs, signal }, () => this.#timedOut(timeoutMs));
    } finally {
      subscription.unsubscribe();
    }
  }

  #timedOut(timeoutMs: number): LogError {
    const status = this.#current;
    const cause = status.type === 'reconnecting' ? status.error : undefined;
    const why = cause === undefined ? '' : `: ${cause.message}`;
    return new LogError('TIMED_OUT', `not connected within ${timeoutMs} ms${why}`, { cause });
  }
}

export function closedError(): LogError {
  return new LogError('CLOSED', 'the connection has been closed');
}
