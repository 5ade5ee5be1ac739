// The latest status of a session, and waiting for it to be live. Knows nothing of how it comes about.
import type { Observable } from 'rxjs';
import { LogError } from '../protocol/index.ts';
import type { Clock } from './clock.ts';
import type { ConnectionStatus, RequestOptions } from './session.ts';
import { aborted } from './session-requests.ts';
import { State } from './state.ts';

export class StatusCell {
  readonly #told: State<ConnectionStatus>;
  readonly #watchers = new Set<() => void>();
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
    for (const look of [...this.#watchers]) look();
    this.#told.next(this.#current);
    if (this.#current.type === 'closed') this.#told.complete();
  }

  /** Rejects with the terminal error, CLOSED, TIMED_OUT or ABORTED. */
  whenLive(clock: Clock, timeoutMs: number, { signal }: RequestOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const stops: (() => void)[] = [];
      const settle = (how: () => void): void => {
        for (const stop of stops) stop();
        how();
      };
      const look = (): boolean => {
        const status = this.#current;
        if (status.type === 'live') settle(resolve);
        else if (status.type === 'closed') settle(() => reject(status.error ?? closedError()));
        else return false;
        return true;
      };
      if (signal?.aborted) {
        reject(aborted(signal));
        return;
      }
      if (look()) return;
      this.#watchers.add(look);
      stops.push(() => this.#watchers.delete(look));
      stops.push(clock.after(timeoutMs, () => settle(() => reject(this.#timedOut(timeoutMs)))));
      if (signal !== undefined) {
        const onAbort = () => settle(() => reject(aborted(signal)));
        signal.addEventListener('abort', onAbort, { once: true });
        stops.push(() => signal.removeEventListener('abort', onAbort));
      }
    });
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
