// The peer of the transport conformance cases behind a real WebSocket server, for tests in Node and in browsers.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { WebSocketServer } from 'ws';
import { transportPeer } from '../testing/transport-peer.ts';

export interface RunningPeer {
  /** As the conformance cases want it. */
  readonly server: { readonly url: string; readonly deadUrl: string };
  close(): Promise<void>;
}

export async function startTransportPeer(): Promise<RunningPeer> {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    perMessageDeflate: false,
    maxPayload: 64 * 1024 * 1024,
  });
  server.on('connection', (socket) => {
    const peer = transportPeer({
      protocol: socket.protocol,
      send: (frame) => socket.send(frame),
      close: (code, reason) => socket.close(code, reason),
      terminate: () => socket.terminate(),
    });
    socket.on('message', (data, isBinary) => {
      if (Buffer.isBuffer(data)) peer.onFrame(isBinary ? data : data.toString('utf8'));
    });
    // A client that goes away in the middle of a frame is none of the peer's business.
    socket.on('error', () => undefined);
  });
  await once(server, 'listening');
  const deadPort = await unusedPort();
  return {
    server: { url: `ws://127.0.0.1:${portOf(server.address())}/`, deadUrl: `ws://127.0.0.1:${deadPort}/` },
    close: () =>
      new Promise((resolve) => {
        for (const client of server.clients) client.terminate();
        server.close(() => resolve());
      }),
  };
}

/** A port that was free a moment ago. */
async function unusedPort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const port = portOf(probe.address());
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

function portOf(address: string | { readonly port: number } | null): number {
  if (typeof address !== 'object' || address === null) throw new Error(`not listening on a port: ${address}`);
  return address.port;
}
