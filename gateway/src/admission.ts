// Who may talk to the gateway: the rules on Host, Origin and the address a request comes from. Knows nothing of sockets.
import type { IncomingHttpHeaders } from 'node:http';

export interface AdmissionRules {
  /** The address listened on, as configured. */
  readonly host: string;
  readonly allowedOrigins: readonly string[];
  readonly allowedHosts: readonly string[];
  readonly trustProxy: boolean;
  readonly encrypted: boolean;
}
/** A request, as far as the rules look at it. Addresses are those of the two ends of its TCP connection. */
export interface Caller {
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
}

/**
 * Why the request is not served, or undefined. A page that made a browser resolve its own name to this address (DNS
 * rebinding) still sends that name as Host, and no IP address: hence names are served only when they were configured.
 */
export function hostRefusal(rules: AdmissionRules, caller: Caller): string | undefined {
  const host = requestHost(rules, caller);
  if (host === undefined) return 'the request has no Host header';
  if (rules.allowedHosts.includes(host)) return undefined;
  const port =
    caller.localPort === (rules.encrypted ? 443 : 80) ? ['', `:${caller.localPort}`] : [`:${caller.localPort}`];
  const names = [
    'localhost',
    '127.0.0.1',
    '[::1]',
    bracketed(rules.host),
    bracketed(plainAddress(caller.localAddress)),
  ];
  if (names.some((name) => port.some((suffix) => host === `${name}${suffix}`))) return undefined;
  return `Host ${JSON.stringify(host.slice(0, 100))} is not served here; add it to allowedHosts if it should be`;
}

/** Whether pages of the request's Origin may connect. Only browsers send one, and pages cannot change it. */
export function isOriginAllowed(rules: AdmissionRules, caller: Caller): boolean {
  const { origin } = caller.headers;
  if (origin === undefined) return true;
  if (rules.allowedOrigins.includes(origin)) return true;
  const host = requestHost(rules, caller);
  if (host === undefined || !URL.canParse(origin)) return false;
  const page = new URL(origin);
  if (page.origin !== origin) return false;
  const proto = rules.trustProxy ? lastOf(caller.headers['x-forwarded-proto']) : undefined;
  if (proto !== undefined && `${proto}:` !== page.protocol) return false;
  // Through URL, so that a port that is the scheme's own counts as none on both sides.
  const own = `${page.protocol}//${host}`;
  return URL.canParse(own) && new URL(own).origin === origin;
}

/** The address that limits count by. The last entry of X-Forwarded-For is the one our own proxy wrote. */
export function clientAddress(rules: AdmissionRules, caller: Caller): string {
  const forwarded = rules.trustProxy ? lastOf(caller.headers['x-forwarded-for']) : undefined;
  return plainAddress(forwarded ?? caller.remoteAddress) || 'unknown';
}

function requestHost(rules: AdmissionRules, caller: Caller): string | undefined {
  const forwarded = rules.trustProxy ? lastOf(caller.headers['x-forwarded-host']) : undefined;
  return (forwarded ?? caller.headers.host)?.toLowerCase();
}
function lastOf(header: string | string[] | undefined): string | undefined {
  const entry = (Array.isArray(header) ? header.join(',') : header)?.split(',').at(-1)?.trim();
  return entry === '' ? undefined : entry;
}
/** IPv4 addresses of dual-stack sockets come as ::ffff:a.b.c.d. */
function plainAddress(address: string | undefined): string {
  return address?.replace(/^::ffff:(?=\d+\.)/i, '') ?? '';
}
function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host.toLowerCase();
}
