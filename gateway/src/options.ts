// What a gateway may be started with, and the one check of it. Knows nothing of sockets.
import { isIP } from 'node:net';
import { flag, hasMethods, instance, integer, label, parseConfig } from 'distributedlog/core';
import { LogError } from 'distributedlog/protocol';
import { DEFAULT_LIMITS, type Limits, type Log, type SessionLogger } from 'distributedlog/server';
import * as z from 'zod/mini';

/** Takes structured fields and a message, as pino does. It never sees tokens. */
export type Logger = SessionLogger;

/** A key whose value is `undefined` counts as absent. Unknown keys and wrong values: INVALID_CONFIG naming each. */
export interface GatewayOptions {
  /** What is served. The gateway closes it in `close()`; until `startGateway` has resolved it is the caller's. */
  readonly log: Log;
  /** Address to listen on. Default '127.0.0.1'; one that is not loopback needs `allowUnauthenticated`. */
  readonly host?: string | undefined;
  /** Default 9192; 0 takes any free port, see `Gateway.url`. */
  readonly port?: number | undefined;
  /** Refused with INVALID_CONFIG until it is enforced. */
  readonly auth?: unknown;
  /** Refused with INVALID_CONFIG until it is enforced. */
  readonly acl?: unknown;
  /** Serve everyone who can reach `host`. Default false: without authentication only loopback addresses are listened on. */
  readonly allowUnauthenticated?: boolean | undefined;
  /** Origins (exactly, 'https://app.example:8443') whose pages may connect besides the gateway's own. What sends no Origin is no page, and may. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Host headers (exactly, 'logs.example' or 'logs.example:8443') that are served besides the bound address and localhost. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Believe the peer's X-Forwarded-For, -Host and -Proto. Default false; true only where every request comes through your proxy. */
  readonly trustProxy?: boolean | undefined;
  /** Path of the WebSocket. Default '/'. */
  readonly path?: string | undefined;
  /** PEM texts; with them the gateway speaks https and wss. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  readonly limits?: { readonly [K in keyof Limits]?: Limits[K] | undefined } | undefined;
  /** Default: pino at level 'info', to standard error. */
  readonly logger?: Logger | undefined;
  /** Directory with an index.html whose files are served over HTTP. Default: none. */
  readonly staticDir?: string | undefined;
}

/** `ws` reads 0 and everything from 2 ** 31 as "unlimited", and timers read the latter as 1 ms: no limit may be either. */
const MAX_LIMIT = 2 ** 31 - 1;
const limitsSchema = z.strictObject(
  Object.fromEntries(Object.keys(DEFAULT_LIMITS).map((name) => [name, z.optional(integer(1, MAX_LIMIT))])),
);

function listOf(entry: string, isEntry: (text: string) => boolean) {
  const error = `a list, each entry ${entry}`;
  return z._default(z.array(z.string({ error }).check(z.refine(isEntry, { error })), { error }), []);
}
const HOST_HEADER = /^(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/;
const pathError = "a path without a query, such as '/' or '/dlog'";
const pem = (what: string) => {
  const error = `the ${what} as PEM text`;
  return z.string({ error }).check(z.includes('-----BEGIN ', { error }));
};

/** The options that a configuration file can hold too. */
export const gatewayDataShape = {
  host: z._default(label(255), '127.0.0.1'),
  port: z._default(integer(0, 65_535), 9192),
  allowUnauthenticated: z._default(flag(), false),
  allowedOrigins: listOf(
    "an origin as browsers send it, such as 'https://app.example' or 'http://localhost:5173'",
    (text) => URL.canParse(text) && new URL(text).origin === text,
  ),
  allowedHosts: listOf(
    "a host in lower case, with its port unless that is the scheme's own, such as 'logs.example' or 'logs.example:8443'",
    (text) => HOST_HEADER.test(text),
  ),
  trustProxy: z._default(flag(), false),
  path: z._default(z.string({ error: pathError }).check(z.regex(/^\/[^\s?#]*$/, { error: pathError })), '/'),
  tls: z.optional(
    z.strictObject({ cert: pem('certificate'), key: pem('private key') }, { error: '{ cert, key }, both as PEM text' }),
  ),
  limits: z.optional(z.looseObject({}, { error: 'an object of limits' })),
  staticDir: z.optional(label(4096)),
};
const optionsSchema = z.strictObject({
  log: instance<Log>('a Log, such as embeddedLog({ dir }) resolves to', (value) =>
    hasMethods(value, 'topics', 'read', 'append', 'health', 'close'),
  ),
  ...gatewayDataShape,
  auth: z.optional(z.unknown()),
  acl: z.optional(z.unknown()),
  logger: z.optional(
    instance<Logger>('a Logger, such as pino()', (value) => hasMethods(value, 'debug', 'info', 'warn', 'error')),
  ),
} satisfies Record<keyof GatewayOptions, z.ZodMiniType>);

/** {@link GatewayOptions} after the check, defaults filled in. */
export type GatewaySettings = Omit<z.output<typeof optionsSchema>, 'auth' | 'acl' | 'limits'> & {
  readonly limits: Limits;
};

export function parseGatewayOptions(options: GatewayOptions): GatewaySettings {
  const { auth, acl, limits, ...settings } = parseConfig('startGateway', optionsSchema, options);
  for (const [name, value] of Object.entries({ auth, acl })) {
    if (value === undefined) continue;
    throw new LogError(
      'INVALID_CONFIG',
      `${name} is not enforced yet; a gateway that ignored it would be open, so leave it out`,
    );
  }
  if (!isLoopback(settings.host) && !settings.allowUnauthenticated) {
    throw new LogError(
      'INVALID_CONFIG',
      `host ${settings.host} can be reached by others, and there is no authentication; ` +
        'listen on 127.0.0.1, ::1 or localhost, or set allowUnauthenticated (--allow-unauthenticated) to serve everyone who can reach it',
    );
  }
  return { ...settings, limits: { ...DEFAULT_LIMITS, ...parseLimits('startGateway: limits', limits) } };
}

/** Those that are given; `what` begins the message. */
export function parseLimits(what: string, limits: unknown): Partial<Limits> {
  return parseConfig(what, limitsSchema, limits);
}

/** Whether only this machine can reach the address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
