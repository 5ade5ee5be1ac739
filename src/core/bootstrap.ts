// From what a user writes as bootstrapServers to URLs that can be dialled. Knows nothing of sockets.
import { LogError } from '../protocol/index.ts';

const ALLOWED = `allowed are 'host:port', 'ws://host[:port][/path]' and 'wss://host[:port][/path]'`;

function invalid(server: string, problem: string): LogError {
  return new LogError('INVALID_CONFIG', `bootstrapServers: ${JSON.stringify(server)} ${problem}; ${ALLOWED}`);
}

function parseServer(server: string, scheme: 'ws' | 'wss', portRequired: boolean): string {
  const text = server.trim();
  if (text === '') throw invalid(server, 'is empty');
  const given = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (given !== undefined && given !== 'ws' && given !== 'wss') throw invalid(server, `has the scheme '${given}'`);
  if (given === undefined && /[/?#@]/.test(text)) throw invalid(server, 'has more than a host and a port');
  if (given === undefined && portRequired && !/:\d+$/.test(text)) throw invalid(server, 'has no port');
  const port = /^(?:[a-z]+:\/\/)?[^/?#]*:(\d+)(?:[/?#]|$)/i.exec(text)?.[1];
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) {
    throw invalid(server, `has the port ${port}, which is not between 1 and 65535`);
  }
  let url: URL;
  try {
    url = new URL(given === undefined ? `${scheme}://${text}` : text);
  } catch {
    throw invalid(server, 'is not a URL');
  }
  if (url.username !== '' || url.password !== '') {
    // Said without the URL itself: what is in it should not end up in a log.
    throw new LogError(
      'INVALID_CONFIG',
      `bootstrapServers: the URL of ${url.host} contains credentials; pass them as token instead; ${ALLOWED}`,
    );
  }
  if (url.hash !== '' || text.includes('#')) throw invalid(server, 'has a fragment (#…)');
  if (url.hostname === '') throw invalid(server, 'has no host');
  return url.href;
}

/**
 * The URLs to dial, in order. A string may hold several servers, separated by commas.
 * Absent: `defaults.server`. Throws INVALID_CONFIG that names the server and what is allowed.
 */
export function parseBootstrapServers(
  servers: string | readonly string[] | undefined,
  defaults: { readonly server: string; readonly scheme: 'ws' | 'wss' },
): readonly string[] {
  if (servers === undefined) return [parseServer(defaults.server, defaults.scheme, false)];
  const list = (typeof servers === 'string' ? [servers] : servers).flatMap((entry) => entry.split(','));
  if (list.length === 0) throw new LogError('INVALID_CONFIG', `bootstrapServers: the list is empty; ${ALLOWED}`);
  return list.map((server) => parseServer(server, defaults.scheme, true));
}
