// Dials with the standard WebSocket and reports what becomes of the page. Knows nothing of what the frames say or when to dial again.
import WebSocket from 'isomorphic-ws';
import type { Connection, ConnectionHandlers, LifecycleSignal, Transport } from '../core/index.ts';
import { LogError } from '../protocol/index.ts';

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
  const on = (target: EventTarget, type: string, signal: (event: Event) => LifecycleSignal | undefined): void => {
    const heard = (event: Event) => {
      const said = signal(event);
      if (said !== undefined) listener(said);
    };
    target.addEventListener(type, heard);
    stops.push(() => target.removeEventListener(type, heard));
  };
  // Workers have the first two; only pages have the others; Node has none.
  if (typeof addEventListener === 'function') {
    on(globalThis, 'online', () => 'online');
    on(globalThis, 'offline', () => 'offline');
  }
  if (typeof document !== 'undefined' && typeof window !== 'undefined') {
    on(document, 'visibilitychange', () => (document.visibilityState === 'hidden' ? 'hidden' : 'visible'));
    on(document, 'freeze', () => 'freeze');
    on(document, 'resume', () => 'resume');
    on(window, 'pagehide', () => 'pagehide');
    // A page that loads is shown too: only one that comes back has something to mend.
    on(window, 'pageshow', (event) => ('persisted' in event && event.persisted === true ? 'pageshow' : undefined));
  }
  return () => {
    for (const stop of stops) stop();
  };
}
