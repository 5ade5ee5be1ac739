// What a client may be configured with, and the one way any configuration is checked. Knows nothing of what the options do.
import * as z from 'zod/mini';
import { type Decompress, type Decompressors, LogError } from '../protocol/index.ts';
import { pathText, valueAt } from '../protocol/issues.ts';
import { parseBootstrapServers } from './bootstrap.ts';
import type { Clock, Random } from './clock.ts';
import type { Transport } from './transport.ts';

/** What every Consumer, Producer, Admin and Client takes. A key whose value is `undefined` counts as absent. */
export interface ClientConfig {
  /** Gateways, tried in turn: 'host:port', 'ws://…' or 'wss://…'; a list, or one string with commas. Default: 'localhost:9192', in a page its own host. */
  readonly bootstrapServers?: string | readonly string[] | undefined;
  /** Names this client in the gateway's log and in group descriptions; 1 to 255 characters. Default 'distributedlog'. */
  readonly clientId?: string | undefined;
  /** Sent in the first frame; a function is called for every connection and again before the token expires. */
  readonly token?: TokenSource | undefined;
  /**
   * Codecs this client decompresses itself, beyond the runtime's own gzip or in its place; the gateway decompresses what is in others. What one throws is
   * CORRUPT_MESSAGE. For all there are: `import { decompressors } from 'distributedlog/codecs'`. Default: none.
   */
  readonly decompressors?: Decompressors | undefined;
  /** Default: the runtime's. 'distributedlog/core' has none, so there it is required. */
  readonly transport?: Transport | undefined;
  /** How long a request may take over all its retries, in ms. Default 30,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** First wait before dialling again, in ms; doubled each time, with full jitter. Default 100. */
  readonly reconnectBackoffMs?: number | undefined;
  /** Longest wait before dialling again, in ms; less than reconnectBackoffMs counts as that. Default 10,000. */
  readonly reconnectBackoffMaxMs?: number | undefined;
  /** For tests. Default: the runtime's timers. */
  readonly clock?: Clock | undefined;
  /** For tests. Default: Math.random. */
  readonly random?: Random | undefined;
}
export type TokenSource = string | ((context: { signal: AbortSignal }) => string | Promise<string>);

/** The longest delay that timers can hold. */
export const MAX_DELAY_MS = 2 ** 31 - 1;

// Building blocks of a schema. The error of each says what is allowed, and nothing else: parseConfig puts the key and the value before it.

const grouped = (value: number) => value.toLocaleString('en-US');

/** Anything that passes `check`, as it is. `allowed` completes "… must be". */
export function instance<T>(allowed: string, check: (value: unknown) => boolean) {
  return z.custom<T>(check, { error: allowed });
}
/** A whole number from `min` to `max`, both included. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER, unit = '') {
  const range =
    max === Number.MAX_SAFE_INTEGER ? `of at least ${grouped(min)}` : `from ${grouped(min)} to ${grouped(max)}`;
  return instance<number>(`an integer${unit} ${range}`, (value) => isCount(value, min, max));
}
export const milliseconds = (min: number) => integer(min, MAX_DELAY_MS, ' (ms)');
export const byteCount = (min: number, max?: number) => integer(min, max, ' (bytes)');
export const flag = () => instance<boolean>('true or false', (value) => typeof value === 'boolean');
/** A string of 1 to `maxLength` characters. */
export function label(maxLength: number) {
  return instance<string>(`a string of 1 to ${grouped(maxLength)} characters`, (value) => isLabel(value, maxLength));
}
export const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`);
export function choice<const T extends readonly string[]>(values: T) {
  return instance<T[number]>(quoted(values).join(' or '), (value) => values.some((known) => known === value));
}
export const isCount = (value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max;
export const isLabel = (value: unknown, maxLength: number): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= maxLength;
export const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
export const isFunction = (value: unknown): boolean => typeof value === 'function';
/** Whether `value` is an object with all these methods. */
export function hasMethods(value: unknown, ...names: readonly string[]): boolean {
  return isObject(value) && names.every((name) => isFunction(Reflect.get(value, name)));
}

const servers = z.custom<string | readonly string[]>().check((payload) => {
  const { value } = payload;
  let message = "'host:port', 'ws://host:port' or 'wss://host:port', or a list of these";
  let sentence = false;
  if (typeof value === 'string' || (Array.isArray(value) && value.every((one) => typeof one === 'string'))) {
    try {
      // The scheme of a bare host:port is the transport's to say; any will do for the check.
      parseBootstrapServers(value, { server: 'localhost', scheme: 'ws' });
      return;
    } catch (error) {
      message = LogError.from(error).message;
      sentence = true;
    }
  }
  payload.issues.push({ code: 'custom', input: value, message, params: { sentence } });
});

const decompress = z.optional(instance<Decompress>('a function (compressed, maxBytes)', isFunction));

/** The keys of {@link ClientConfig} for use in larger schemas: `z.strictObject({ ...clientConfigShape, … })`. */
export const clientConfigShape = {
  bootstrapServers: z.optional(servers),
  clientId: z._default(label(255), 'distributedlog'),
  token: z.optional(
    instance<TokenSource>(
      'a string of 1 to 16,384 characters or a function that returns one',
      (value) => isFunction(value) || isLabel(value, 16_384),
    ),
  ),
  decompressors: z.optional(
    z.strictObject(
      { gzip: decompress, snappy: decompress, lz4: decompress, zstd: decompress },
      'an object of functions',
    ),
  ),
  transport: z.optional(
    instance<Transport>('a Transport (an object with dial())', (value) => hasMethods(value, 'dial')),
  ),
  requestTimeoutMs: z._default(milliseconds(1), 30_000),
  reconnectBackoffMs: z._default(milliseconds(1), 100),
  reconnectBackoffMaxMs: z._default(milliseconds(1), 10_000),
  clock: z.optional(
    instance<Clock>('a Clock (an object with now() and after())', (value) => hasMethods(value, 'now', 'after')),
  ),
  random: z.optional(instance<Random>('a function', isFunction)),
} satisfies Record<keyof ClientConfig, z.ZodMiniType>;

export const clientConfigSchema = z.strictObject(clientConfigShape);

/**
 * Checks `config` and fills in the defaults. `what` names the thing being configured and begins the message.
 * Throws one LogError('INVALID_CONFIG') that names every wrong and unknown key, what was given and what is allowed.
 */
export function parseConfig<S extends z.ZodMiniObject>(what: string, schema: S, config: unknown): z.output<S> {
  checkIsConfig(what, config);
  const given = Object.fromEntries(Object.entries(config ?? {}).filter(([, value]) => value !== undefined));
  const result = z.safeParse(schema, given);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => problemsOf(issue, given, schema));
  throw new LogError('INVALID_CONFIG', `${what}: ${[...new Set(problems)].join('; ')}`);
}

export function checkIsConfig(what: string, config: unknown): asserts config is object | undefined {
  if (config === undefined || (isObject(config) && !Array.isArray(config))) return;
  throw new LogError('INVALID_CONFIG', `${what}: the configuration must be an object, got ${show(config)}`);
}

function problemsOf(issue: z.core.$ZodIssue, given: unknown, schema: z.ZodMiniObject): string[] {
  const { code, path, message } = issue;
  const name = pathText(path);
  if (code === 'unrecognized_keys') {
    const known = keysAt(schema, path);
    return issue.keys.map((key) => unknownKey(key, known, name));
  }
  // A check that has already said it all, naming the key.
  if (code === 'custom' && issue.params?.sentence === true) return [message];
  const value = valueAt(given, path);
  if (value === undefined) return [`${name} is missing; it must be ${message}`];
  // A secret does not belong in a message that may be logged.
  return [`${name} must be ${message}, got ${/token|pass|secret/i.test(name) ? `a ${typeof value}` : show(value)}`];
}

/** The keys that the object at `path` may have, as far as its schema says. */
function keysAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  const { def } = schema._zod as z.core.$ZodTypes['_zod'];
  if ('innerType' in def) return keysAt(def.innerType, path);
  if (def.type === 'pipe') return keysAt(def.in, path);
  if (def.type === 'union') return def.options.flatMap((option) => keysAt(option, path));
  const [key, ...rest] = path;
  if (def.type === 'array') return keysAt(def.element, rest);
  if (def.type !== 'object') return [];
  if (key === undefined) return Object.keys(def.shape);
  const inner = def.shape[String(key)];
  return inner === undefined ? [] : keysAt(inner, rest);
}

/** What is wrong with a key that is not among the `known` ones (of `where`). */
export function unknownKey(key: string, known: readonly string[], where = ''): string {
  const near = nearest(key, known);
  const hint = near === undefined ? `known keys: ${known.join(', ')}` : `did you mean ${JSON.stringify(near)}?`;
  return `unknown key ${JSON.stringify(key)}${where && ` in ${where}`} (${hint})`;
}

/** A value as it may stand in a message: short, on one line. */
export function show(value: unknown): string {
  if (isFunction(value)) return 'a function';
  if (typeof value === 'bigint') return `${value}n`;
  // JSON has no NaN and no Infinity.
  const text = typeof value === 'number' ? String(value) : (shortJson(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
function shortJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return 'an object'; // Cyclic, or a toJSON that throws.
  }
}

/** The candidate that differs from `word` by least: not in more than a third of its letters, nor in more than four, case aside. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let most = Math.min(4, Math.max(2, Math.floor(word.length / 3)));
  for (const candidate of candidates) {
    const found = distance(word.toLowerCase(), candidate.toLowerCase(), most);
    if (found <= most) [best, most] = [candidate, found - 1];
  }
  return best;
}
/** Letters to change, add or drop; only the first `most` of them are looked for. */
function distance(a: string, b: string, most: number): number {
  if (most < 0 || a === '' || b === '') return a.length + b.length;
  const [restOfA, restOfB] = [a.slice(1), b.slice(1)];
  if (a[0] === b[0]) return distance(restOfA, restOfB, most);
  const ways = [distance(restOfA, restOfB, most - 1), distance(restOfA, b, most - 1), distance(a, restOfB, most - 1)];
  return 1 + Math.min(...ways);
}
