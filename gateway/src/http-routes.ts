// What a gateway answers over plain HTTP: its health, its metrics and the files of a page. Knows nothing of WebSockets.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LogError } from 'distributedlog/protocol';
import type { Logger } from './options.ts';
import type { StaticFiles } from './static-files.ts';

export interface HttpRoutes {
  readonly isDraining: () => boolean;
  /** Why the log cannot serve now. */
  readonly health: () => LogError | undefined;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly files: StaticFiles | undefined;
  /** Why a request with this Host is not served, or undefined. */
  readonly hostRefusal: (request: IncomingMessage) => string | undefined;
  /** Where the WebSocket is, for those who come by HTTP. */
  readonly path: string;
  readonly logger: Logger;
}

/** Never rejects. */
export async function answerHttp(
  routes: HttpRoutes,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.setHeader('X-Content-Type-Options', 'nosniff');
  if (routes.isDraining()) response.setHeader('Connection', 'close');
  try {
    await route(routes, request, response);
  } catch (error) {
    // A client that leaves in the middle of a file is no failure of ours.
    if (!response.destroyed) routes.logger.error({ err: error, url: request.url }, 'an HTTP request failed');
    if (response.headersSent) response.destroy();
    else say(request, response, 500, 'the gateway failed in a way it did not expect');
  }
}

async function route(routes: HttpRoutes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = pathOf(request.url ?? '/');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    response.setHeader('Connection', 'close');
    return say(request, response, 405, 'only GET and HEAD are served here');
  }
  if (path === '/healthz') return say(request, response, 200, 'ok');
  if (path === '/readyz') {
    if (routes.isDraining()) return say(request, response, 503, 'draining');
    const problem = routes.health();
    return problem === undefined
      ? say(request, response, 200, 'ready')
      : say(request, response, 503, `${problem.code}: ${problem.message}`);
  }
  const refusal = routes.hostRefusal(request);
  if (refusal !== undefined) return say(request, response, 421, refusal);
  if (path === '/metrics') {
    const text = await routes.metrics.text();
    response.setHeader('Content-Type', routes.metrics.contentType);
    response.setHeader('Cache-Control', 'no-store');
    response.end(request.method === 'HEAD' ? undefined : text);
    return;
  }
  if (await routes.files?.serve(path, request, response)) return;
  say(request, response, 404, `nothing here; there are /healthz, /readyz, /metrics and a WebSocket at ${routes.path}`);
}

function say(request: IncomingMessage, response: ServerResponse, status: number, line: string): void {
  response.statusCode = status;
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.setHeader('Cache-Control', 'no-store');
  response.end(request.method === 'HEAD' ? undefined : `${line}\n`);
}

/** Without the query; requests to proxies name the whole URL. */
export function pathOf(url: string): string {
  const path = url.replace(/^\w+:\/\/[^/?#]*/, '').replace(/[?#].*$/s, '');
  return path === '' ? '/' : path;
}
