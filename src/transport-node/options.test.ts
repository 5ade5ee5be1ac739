// What only the Node transport can do: headers, TLS, and saying why a dial failed.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { type NodeTransportOptions, nodeTransport } from './transport.ts';

function dial(url: string, options?: NodeTransportOptions): Promise<string> {
  return new Promise((resolve) => {
    const connection = nodeTransport(options).dial(url, 'dlog.v1', {
      onOpen: () => connection.close(1000, 'enough'),
      onFrame: () => undefined,
      onClose: ({ code, reason }) => resolve(`${code} ${reason}`),
    });
  });
}

async function listening<T>(use: (url: string, headers: unknown[]) => Promise<T>, status?: string): Promise<T> {
  const http = createServer();
  const sockets = new WebSocketServer({ noServer: true });
  const headers: unknown[] = [];
  http.on('upgrade', (request, socket, head) => {
    headers.push(request.headers);
    if (status === undefined) sockets.handleUpgrade(request, socket, head, () => undefined);
    else socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const address = http.address();
  try {
    return await use(`//127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`, headers);
  } finally {
    for (const socket of sockets.clients) socket.terminate();
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  }
}

describe('the Node transport', () => {
  it('sends the headers it was given', async () => {
    await listening(async (url, headers) => {
      expect(await dial(`ws:${url}`, { headers: { 'x-proxy-key': 'k' } })).toBe('1000 enough');
      expect(headers).toEqual([expect.objectContaining({ 'x-proxy-key': 'k', 'sec-websocket-protocol': 'dlog.v1' })]);
    });
  });

  it('asks for no compression', async () => {
    await listening(async (url, headers) => {
      await dial(`ws:${url}`);
      expect(headers).toEqual([expect.not.objectContaining({ 'sec-websocket-extensions': expect.anything() })]);
    });
  });

  it('says what the server answered instead of an upgrade', async () => {
    const close = await listening((url) => dial(`ws:${url}`), '403 Forbidden');
    expect(close).toBe('1006 Unexpected server response: 403');
  });

  it('says why TLS failed', async () => {
    const close = await listening((url) => dial(`wss:${url}`, { tls: { rejectUnauthorized: false } }));
    expect(close).toMatch(/^1006 .*(SSL|TLS|ssl|wrong version|EPROTO|socket)/);
  });
});
