// The other end that the transport conformance cases talk to: it obeys text frames that begin with '/' and echoes everything else. Knows nothing of how it is connected.

export interface PeerSocket {
  /** The subprotocol that was agreed on. */
  readonly protocol: string;
  send(frame: string | Uint8Array): void;
  close(code: number, reason: string): void;
  terminate(): void;
}

/** What the peer says at once, together with the handshake. */
export const PEER_GREETING = 'hello from the peer';

/**
 * Commands: '/protocol' answers with the subprotocol · '/count' with the bytes echoed or swallowed so far · '/swallow' stops echoing ·
 * '/burst COUNT BYTES' sends that many binary frames, the n-th filled with n modulo 256 · '/close CODE REASON' · '/terminate'.
 */
export function transportPeer(socket: PeerSocket): { onFrame(frame: string | Uint8Array): void } {
  let swallow = false;
  let bytes = 0;
  socket.send(PEER_GREETING);
  return {
    onFrame(frame) {
      if (typeof frame !== 'string' || !frame.startsWith('/')) {
        bytes += frame.length;
        if (!swallow) socket.send(frame);
        return;
      }
      const [command = '', first = '', ...rest] = frame.split(' ');
      switch (command) {
        case '/protocol':
          socket.send(socket.protocol);
          break;
        case '/count':
          socket.send(String(bytes));
          break;
        case '/swallow':
          swallow = true;
          break;
        case '/burst':
          for (let n = 0; n < Number(first); n++) socket.send(new Uint8Array(Number(rest[0])).fill(n % 256));
          break;
        case '/close':
          socket.close(Number(first), rest.join(' '));
          break;
        case '/terminate':
          socket.terminate();
          break;
        default:
          socket.send(`unknown command ${command}`);
      }
    },
  };
}
