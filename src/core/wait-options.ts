// What every call that waits takes as its last parameter, and its check. Knows nothing of what is waited for.
import * as z from 'zod/mini';
import { LogError } from '../protocol/index.ts';
import type { Clock } from './clock.ts';
import { hasMethods, instance, milliseconds, nearest, show } from './config.ts';

export interface WaitOptions {
  /** How long to wait, in ms; then the call rejects with TIMED_OUT. Default: the client's requestTimeoutMs, unless the call says otherwise. */
  readonly timeoutMs?: number | undefined;
  /** When it fires, the call rejects with ABORTED. */
  readonly signal?: AbortSignal | undefined;
}

const isAbortSignal = (value: unknown): boolean => hasMethods(value, 'addEventListener', 'removeEventListener');
const timeout = milliseconds(0);
const signal = instance<AbortSignal>('an AbortSignal', isAbortSignal);

/** Throws INVALID_REQUEST for a wrong or unknown option (`more` are the call's own), and ABORTED if the signal has fired. */
export function checkWaitOptions(call: string, options: unknown, more: readonly string[] = []): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null) {
    throw new LogError('INVALID_REQUEST', `${call}: the options must be an object, got ${show(options)}`);
  }
  const known = ['timeoutMs', 'signal', ...more];
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (!known.includes(key)) {
      const near = nearest(key, known);
      const hint = near === undefined ? `known: ${known.join(', ')}` : `did you mean "${near}"?`;
      throw new LogError('INVALID_REQUEST', `${call}: unknown option "${key}" (${hint})`);
    }
    const schema = key === 'timeoutMs' ? timeout : key === 'signal' ? signal : undefined;
    const problem = schema && z.safeParse(schema, value).error?.issues[0];
    if (problem)
      throw new LogError('INVALID_REQUEST', `${call}: ${key} must be ${problem.message}, got ${show(value)}`);
  }
  if (
    'signal' in options &&
    hasMethods(options.signal, 'addEventListener') &&
    Reflect.get(Object(options.signal), 'aborted')
  ) {
    throw new LogError('ABORTED', `${call}: aborted`);
  }
}

/** `work`, unless `timeoutMs` passes (TIMED_OUT) or the signal fires (ABORTED) before; the work itself goes on. */
export function waitFor<T>(call: string, work: Promise<T>, clock: Clock, options: WaitOptions = {}): Promise<T> {
  const { timeoutMs, signal } = options;
  return new Promise((resolve, reject) => {
    const stops: (() => void)[] = [];
    const settle = (how: () => void) => {
      for (const stop of stops) stop();
      how();
    };
    if (timeoutMs !== undefined) {
      const message = `${call}: not done within ${timeoutMs} ms`;
      stops.push(clock.after(timeoutMs, () => settle(() => reject(new LogError('TIMED_OUT', message)))));
    }
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
