// What every call that waits takes as its last parameter, and its check. Knows nothing of what is waited for.
import { LogError } from '../protocol/index.ts';
import { checkOptions, must } from './checks.ts';
import type { Clock } from './clock.ts';
import { hasMethods, isCount, MAX_DELAY_MS } from './config.ts';

export interface WaitOptions {
  /** How long to wait, in ms; then the call rejects with TIMED_OUT. Default: the client's requestTimeoutMs, unless the call says otherwise. */
  readonly timeoutMs?: number | undefined;
  /** When it fires, the call rejects with ABORTED. */
  readonly signal?: AbortSignal | undefined;
}

/** Throws INVALID_REQUEST for a wrong or unknown option (`more` are the call's own), and ABORTED if the signal has fired. */
export function checkWaitOptions(call: string, options: WaitOptions | undefined, more: readonly string[] = []): void {
  if (options === undefined) return;
  checkOptions(call, options, ['timeoutMs', 'signal', ...more]);
  const { timeoutMs, signal } = options;
  const isDelay = timeoutMs === undefined || isCount(timeoutMs, 0, MAX_DELAY_MS);
  must(isDelay, call, 'timeoutMs', `an integer (ms) from 0 to ${MAX_DELAY_MS}`, timeoutMs);
  checkSignal(call, signal);
  if (signal?.aborted) throw new LogError('ABORTED', `${call}: aborted`, { cause: signal.reason });
}
export function checkSignal(call: string, signal: unknown): void {
  const isSignal = signal === undefined || hasMethods(signal, 'addEventListener', 'removeEventListener');
  must(isSignal, call, 'signal', 'an AbortSignal', signal);
}

/** `work`, unless `timeoutMs` passes (TIMED_OUT) or the signal fires (ABORTED) before; the work itself goes on. */
export function waitFor<T>(
  call: string,
  work: Promise<T>,
  clock: Clock,
  { timeoutMs, signal }: WaitOptions = {},
  timedOut = () => new LogError('TIMED_OUT', `${call}: not done within ${timeoutMs} ms`),
): Promise<T> {
  return new Promise((resolve, reject) => {
    const stops: (() => void)[] = [];
    const settle = (how: () => void) => {
      for (const stop of stops) stop();
      how();
    };
    if (timeoutMs !== undefined) stops.push(clock.after(timeoutMs, () => settle(() => reject(timedOut()))));
    if (signal !== undefined) {
      const onAbort = () => settle(() => reject(new LogError('ABORTED', `${call}: aborted`, { cause: signal.reason })));
      // It may have fired between the check of the options and now.
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      stops.push(() => signal.removeEventListener('abort', onAbort));
    }
    work.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    );
  });
}
