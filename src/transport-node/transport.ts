// Dials with ws, for Node: headers, TLS and proxies. Knows nothing of what the frames say or when to dial again.
import type { Agent } from 'node:http';
import type { ConnectionOptions } from 'node:tls';
import { type ClientOptions, WebSocket } from 'ws';
import type { Connection, ConnectionHandlers, Transport } from '../core/index.ts';
import { LogError, PROTOCOL_LIMITS } from '../protocol/index.ts';

export interface NodeTransportOptions {
  /** Sent with the upgrade request, for example to a proxy in front of the gateway. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** As in node:tls. */
  readonly tls?:
    | Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'pfx' | 'rejectUnauthorized' | 'servername'>
    | undefined;
  /** Makes the connection, for example through a proxy. Default: Node's own. */
  readonly agent?: Agent | undefined;
}

/** A data frame is one batch at most, or many small ones; its header is small. */
const MAX_FRAME_BYTES = PROTOCOL_LIMITS.maxBatchBytes + 1024 * 1024;
/** How long a peer has to answer a close before the socket is destroyed. */
const CLOSE_TIMEOUT_MS = 2_000;

export function nodeTransport(options: NodeTransportOptions = {}): Transport {
  const { headers, tls, agent } = options;
  const clientOptions: ClientOptions & { readonly closeTimeout: number } = {
    ...tls,
    headers: { ...headers },
    agent,
    maxPayload: MAX_FRAME_BYTES,
    perMessageDeflate: false,
    closeTimeout: CLOSE_TIMEOUT_MS,
  };
  return {
    name: 'node',
    defaultServer: 'localhost:9192',
    defaultScheme: 'ws',
    dial(url, protocol, handlers) {
      let socket: WebSocket;
      try {
        socket = new WebSocket(url, protocol, clientOptions);
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new LogError('INVALID_CONFIG', `cannot dial ${url}: ${why}`, { cause });
      }
      return attach(socket, handlers);
    },
  };
}

function attach(socket: WebSocket, handlers: ConnectionHandlers): Connection {
  // ws follows every error with a close, and only the error says why.
  let failure = '';
  socket.on('error', (error) => {
    failure = error.message;
  });
  socket.on('open', () => handlers.onOpen());
  socket.on('message', (data, isBinary) => {
    // 'nodebuffer', the default, yields one Buffer. Its memory is never written again, so the receiver may keep the view.
    if (!Buffer.isBuffer(data)) return;
    handlers.onFrame(isBinary ? new Uint8Array(data.buffer, data.byteOffset, data.length) : data.toString('utf8'));
  });
  socket.on('close', (code, reason) => {
    const said = reason.toString('utf8');
    handlers.onClose({ code, reason: said === '' ? failure : said });
  });
  return {
    send(frame) {
      if (socket.readyState === WebSocket.CONNECTING) throw new LogError('ILLEGAL_STATE', 'the socket is not open yet');
      if (socket.readyState === WebSocket.OPEN) socket.send(frame);
    },
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    close(code, reason) {
      socket.close(code, reason);
    },
  };
}
