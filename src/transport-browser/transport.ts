// Dials with the standard WebSocket and reports what becomes of the page. Knows nothing of what the frames say or when to dial again.
import WebSocket from 'isomorphic-ws';
import type { Connection, ConnectionHandlers, LifecycleSignal, Transport } from '../core/index.ts';
import { LogError } from '../protocol/index.ts';
import { claimKeepsake } from './keepsake.ts';

/** For pages and workers; without either, it dials as they would. */
export function browserTransport(): Transport {
  const page = typeof location !== 'undefined' && /^https?:$/.test(location.protocol) ? location : undefined;
  return {
    name: 'browser',
    defaultServer: page?.host || 'localhost:9192',
    defaultScheme: page?.protocol === 'https:' ? 'wss' : 'ws',
    dial(url, protocol, handlers) {
      let socket: WebSocket;
      try {
        socket = new WebSocket(url, protocol);
      } catch (cause) {
        // A URL that is none, or ws: from a page that came over https:.
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new LogError('INVALID_CONFIG', `cannot dial ${url}: ${why}`, { cause });
      }
      return attach(socket, handlers);
    },
    onLifecycle: listenToLifecycle,
    keepsake: claimKeepsake,
  };
}

function attach(socket: WebSocket, handlers: ConnectionHandlers): Connection {
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => handlers.onOpen();
  // A close follows, and a browser tells nothing more in the error than that there was one.
  socket.onerror = () => undefined;
  socket.onmessage = ({ data }) => {
    if (typeof data === 'string') handlers.onFrame(data);
    else if (data instanceof ArrayBuffer) handlers.onFrame(new Uint8Array(data));
  };
  socket.onclose = ({ code, reason }) => handlers.onClose({ code, reason });
  return {
    send(frame) {
      if (socket.readyState === 0) throw new LogError('ILLEGAL_STATE', 'the socket is not open yet');
      if (socket.readyState === 1) socket.send(frame);
    },
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    close(code, reason) {
      socket.close(code, reason);
    },
  };
}

function listenToLifecycle(listener: (signal: LifecycleSignal) => void): () => void {
  const stops: (() => void)[] = [];
  const heard = (event: Event): void => {
    if (event.type === 'visibilitychange') listener(document.visibilityState);
    // A page that loads is shown too: only one that comes back has something to mend.
    else if (event.type !== 'pageshow' || ('persisted' in event && event.persisted === true)) {
      listener(event.type as LifecycleSignal);
    }
  };
  const listen = (target: EventTarget, ...types: ('visibilitychange' | LifecycleSignal)[]): void => {
    for (const type of types) {
      target.addEventListener(type, heard);
      stops.push(() => target.removeEventListener(type, heard));
    }
  };
  // Workers have the first two; only pages have the others; Node has none.
  if (typeof addEventListener === 'function') listen(globalThis, 'online', 'offline');
  if (typeof document !== 'undefined' && typeof window !== 'undefined') {
    listen(document, 'visibilitychange', 'freeze', 'resume');
    listen(window, 'pagehide', 'pageshow');
  }
  return () => {
    for (const stop of stops) stop();
  };
}
