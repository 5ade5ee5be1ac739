// What a client may be configured with, and the one way any configuration is checked. Knows nothing of what the options do.
import * as z from 'zod/mini';
import { LogError } from '../protocol/index.ts';
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

/** A whole number from `min` to `max`, both included. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER, unit = '') {
  const error =
    max === Number.MAX_SAFE_INTEGER
      ? `an integer${unit} of at least ${grouped(min)}`
      : `an integer${unit} from ${grouped(min)} to ${grouped(max)}`;
  return z.int({ error }).check(z.gte(min, { error }), z.lte(max, { error }));
}
export const milliseconds = (min: number) => integer(min, MAX_DELAY_MS, ' (ms)');
export const byteCount = (min: number, max?: number) => integer(min, max, ' (bytes)');
export const flag = () => z.boolean({ error: 'true or false' });
/** A string of 1 to `maxLength` characters. */
export function label(maxLength: number) {
  const error = `a string of 1 to ${maxLength} characters`;
  return z.string({ error }).check(z.minLength(1, { error }), z.maxLength(maxLength, { error }));
}
export function choice<const T extends readonly string[]>(values: T) {
  return z.enum(values, { error: values.map((value) => `'${value}'`).join(' or ') });
}
/** A function or an instance: only its kind is checked. `allowed` completes "… must be". */
export function instance<T>(allowed: string, check: (value: unknown) => boolean) {
  return z.custom<T>(check, { error: allowed });
}
export const isFunction = (value: unknown): boolean => typeof value === 'function';
/** Whether `value` is an object with all these methods. */
export function hasMethods(value: unknown, ...names: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return names.every((name) => typeof Reflect.get(value, name) === 'function');
}

const serversError = "'host:port', 'ws://host:port' or 'wss://host:port', or a list of these";
const servers = z.pipe(
  z.pipe(
    z.union([z.string(), z.array(z.string())], { error: serversError }),
    z.transform((given) => (typeof given === 'string' ? [given] : given)),
  ),
  z.array(z.string()).check((payload) => {
    try {
      // The scheme of a bare host:port is the transport's to say; any will do for the check.
      parseBootstrapServers(payload.value, { server: 'localhost', scheme: 'ws' });
    } catch (error) {
      const { message } = LogError.from(error);
      payload.issues.push({ code: 'custom', input: payload.value, message, params: { sentence: true } });
    }
  }),
);

/** The keys of {@link ClientConfig} for use in larger schemas: `z.strictObject({ ...clientConfigShape, … })`. */
export const clientConfigShape = {
  bootstrapServers: z.optional(servers),
  clientId: z._default(label(255), 'distributedlog'),
  token: z.optional(
    instance<TokenSource>('a string of 1 to 16,384 characters or a function that returns one', (value) =>
      typeof value === 'string' ? value.length > 0 && value.length <= 16_384 : isFunction(value),
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
  if (config !== undefined && (typeof config !== 'object' || config === null || Array.isArray(config))) {
    throw new LogError('INVALID_CONFIG', `${what}: the configuration must be an object, got ${show(config)}`);
  }
  const given = Object.fromEntries(Object.entries(config ?? {}).filter(([, value]) => value !== undefined));
  const result = z.safeParse(schema, given);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => problemsOf(issue, given, schema));
  throw new LogError('INVALID_CONFIG', `${what}: ${[...new Set(problems)].join('; ')}`);
}

function problemsOf(issue: z.core.$ZodIssue, given: unknown, schema: z.ZodMiniObject): string[] {
  const where = issue.path.map((key, i) =>
    typeof key === 'number' ? `[${key}]` : `${i > 0 ? '.' : ''}${String(key)}`,
  );
  const name = where.join('');
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, issue.path);
    return issue.keys.map((key) => {
      const near = nearest(key, known);
      const hint = near === undefined ? `known keys: ${known.join(', ')}` : `did you mean ${JSON.stringify(near)}?`;
      return `unknown key ${JSON.stringify(key)}${name === '' ? '' : ` in ${name}`} (${hint})`;
    });
  }
  // A check that has already said it all, naming the key.
  if (issue.code === 'custom' && issue.params?.sentence === true) return [issue.message];
  const value = valueAt(given, issue.path);
  if (value === undefined) return [`${name} is missing; it must be ${issue.message}`];
  // A secret does not belong in a message that may be logged.
  return [`${name} must be ${issue.message}, got ${issue.path[0] === 'token' ? `a ${typeof value}` : show(value)}`];
}

/** The keys that the object at `path` may have, as far as its schema says. */
function keysAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  let found: string[] = [];
  const visit = (at: z.core.$ZodType, depth: number): void => {
    const { def } = at._zod as z.core.$ZodTypes['_zod'];
    const key = path[depth];
    switch (def.type) {
      case 'object':
        if (key === undefined) found = [...found, ...Object.keys(def.shape)];
        else if (typeof key === 'string' && def.shape[key] !== undefined) visit(def.shape[key], depth + 1);
        break;
      case 'array':
        visit(def.element, depth + 1);
        break;
      case 'optional':
      case 'default':
      case 'nullable':
        visit(def.innerType, depth);
        break;
      case 'union':
        for (const option of def.options) visit(option, depth);
        break;
      case 'pipe':
        visit(def.in, depth);
        break;
      default:
    }
  };
  visit(schema, 0);
  return [...new Set(found)];
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined),
    root,
  );
}

/** A value as it may stand in a message: short, on one line. */
export function show(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'symbol' || typeof value === 'number' || value === undefined) return String(value);
  const text = shortJson(value) ?? 'an object';
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
function shortJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined; // Cyclic, or a toJSON that throws.
  }
}

/** The candidate that differs from `word` by least: not in more than a third of its letters, case aside. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(change, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
