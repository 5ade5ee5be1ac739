// Serves the files of one directory over HTTP. Knows nothing of what is in them.
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { LogError } from 'distributedlog/protocol';

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
};
/** `/assets/index-B4x9kQ2_.js`: bundlers put eight characters of the content's hash into the name, so it never changes. */
const HASHED = /^\/assets\/.*-[\w-]{8}\.\w+$/;

/** Pages run their own scripts and WebAssembly, and speak to gateways anywhere; nothing else. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self' ws: wss:",
  "worker-src 'self' blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

export interface StaticFiles {
  /** Answers the request if there is such a file; resolves to whether it did. `path`: decoded by nobody yet. */
  serve(path: string, request: IncomingMessage, response: ServerResponse): Promise<boolean>;
}

/** INVALID_CONFIG when the directory has no index.html. */
export async function staticFiles(dir: string): Promise<StaticFiles> {
  const root = await realpath(dir).catch(() => undefined);
  if (root === undefined) throw new LogError('INVALID_CONFIG', `staticDir ${dir} does not exist`);
  const index = await stat(join(root, 'index.html')).catch(() => undefined);
  if (!index?.isFile()) throw new LogError('INVALID_CONFIG', `staticDir ${dir} has no index.html`);
  return {
    async serve(path, request, response) {
      const file = await findFile(root, path);
      if (file === undefined) return false;
      const hashed = HASHED.test(path);
      const etag = `"${file.size.toString(36)}-${Math.round(file.mtimeMs).toString(36)}"`;
      response.setHeader('Cache-Control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache');
      response.setHeader('ETag', etag);
      response.setHeader('Content-Security-Policy', CONTENT_SECURITY_POLICY);
      response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
      response.setHeader('Referrer-Policy', 'no-referrer');
      if (matches(request.headers['if-none-match'], etag)) {
        response.writeHead(304).end();
        return true;
      }
      response.setHeader('Content-Type', CONTENT_TYPES[extname(file.path).toLowerCase()] ?? 'application/octet-stream');
      response.setHeader('Content-Length', file.size);
      response.writeHead(200);
      if (request.method === 'HEAD' || file.size === 0) response.end();
      // As many bytes as were announced, also when the file grows meanwhile.
      else await pipeline(createReadStream(file.path, { end: file.size - 1 }), response);
      return true;
    },
  };
}

async function findFile(
  root: string,
  path: string,
): Promise<{ path: string; size: number; mtimeMs: number } | undefined> {
  const name = decoded(path);
  // Hidden files, '..' among them, are never served; neither is what only some systems read as a path.
  if (name === undefined || /[\0\\]/.test(name) || name.split('/').some((part) => part.startsWith('.')))
    return undefined;
  // Through links, so that none leads out of the directory.
  const real = await realpath(join(root, name === '/' ? 'index.html' : name)).catch(() => undefined);
  if (real === undefined || !real.startsWith(root.endsWith(sep) ? root : root + sep)) return undefined;
  const found = await stat(real).catch(() => undefined);
  return found?.isFile() ? { path: real, size: found.size, mtimeMs: found.mtimeMs } : undefined;
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined; // Not a URL's path: no file has that name.
  }
}

function matches(header: string | undefined, etag: string): boolean {
  return header?.split(',').some((entry) => entry.trim().replace(/^W\//, '') === etag) ?? false;
}
