// How a call says what is wrong with what it was passed, and what is allowed. Knows nothing of the calls.
import { type ErrorCode, LogError } from '../protocol/index.ts';
import { isObject, show, unknownKey } from './config.ts';

/** Throws (INVALID_REQUEST, where no other code is given) unless `ok`. */
export function must(
  ok: boolean,
  call: string,
  what: string,
  allowed: string,
  value: unknown,
  code: ErrorCode = 'INVALID_REQUEST',
): asserts ok {
  if (!ok) throw new LogError(code, `${call}: ${what} must be ${allowed}, got ${show(value)}`);
}
/** Throws INVALID_REQUEST for a key that is not among the `known` ones; a key whose value is `undefined` counts as absent. */
export function checkKeys(call: string, value: object, known: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (Reflect.get(value, key) === undefined || known.includes(key)) continue;
    throw new LogError('INVALID_REQUEST', `${call}: ${unknownKey(key, known)}`);
  }
}
export function checkOptions(call: string, options: unknown, known: readonly string[]): void {
  mustBeObject(call, 'the options', options);
  checkKeys(call, options, known);
}
export function mustBeObject(
  call: string,
  what: string,
  value: unknown,
  allowed = 'an object',
): asserts value is object {
  must(isObject(value), call, what, allowed, value);
}
