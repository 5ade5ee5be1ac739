// A transport without a network: both ends live in this process, delivery is asynchronous and in order. Knows nothing of what the frames say.
import type { Clock, ConnectionHandlers, Transport } from '../core/index.ts';
import { CLOSE_CODES, LogError } from '../protocol/index.ts';

/** The server's end of a connection. */
export interface MemorySocket {
  readonly url: string;
  /** The subprotocol the client asked for. */
  readonly protocol: string;
  /** `onWritten` is called when the frame has been delivered, or can no longer be. */
  send(frame: string | Uint8Array, onWritten?: () => void): void;
  /** Bytes sent and not yet delivered. */
  readonly bufferedBytes: number;
  close(code: number, reason: string): void;
  /** Cuts the wire: each end sees a close with code 1006, and nothing that was under way. */
  terminate(): void;
  /** What the client sends waits with the client, counted in its bufferedBytes. */
  pauseReading(): void;
  resumeReading(): void;
}
export interface MemorySocketHandlers {
  onFrame(frame: string | Uint8Array): void;
  onClose(close: { readonly code: number; readonly reason: string }): void;
}
export interface MemoryTransportOptions {
  /** A client has dialled. Throwing refuses it. */
  readonly accept: (socket: MemorySocket) => MemorySocketHandlers;
  /** With a clock and a latency, a frame is delivered so many ms after it was sent; without, in a microtask. */
  readonly clock?: Clock | undefined;
  readonly latencyMs?: number | undefined;
}
export interface MemoryTransport extends Transport {
  /** Of what is sent from now on; nothing overtakes what was sent before it. Without a clock it stays without effect. */
  latencyMs: number;
  /** Connections that are open. */
  readonly sockets: readonly MemorySocket[];
  /** From now on dials fail (or no longer do) as if nobody listened. */
  refuseDials(refuse: boolean): void;
  /** While held, nothing is delivered in either direction, as on a link that is stuck; then it all comes, in order. */
  holdDelivery(hold: boolean): void;
}

interface Wire {
  held: boolean;
  /** Runs `deliver` after the latency. */
  readonly schedule: (deliver: () => void) => void;
}

export function memoryTransport({ accept, clock, latencyMs = 0 }: MemoryTransportOptions): MemoryTransport {
  const links = new Set<Link>();
  let refusing = false;
  let delayMs = latencyMs;
  const wire: Wire = {
    held: false,
    schedule: (deliver) => {
      if (clock === undefined || delayMs === 0) queueMicrotask(deliver);
      else clock.after(delayMs, deliver);
    },
  };
  return {
    get latencyMs() {
      return delayMs;
    },
    set latencyMs(ms) {
      if (!(ms >= 0)) throw new LogError('INVALID_REQUEST', `latencyMs must be a number of at least 0, got ${ms}`);
      delayMs = ms;
    },
    name: 'memory',
    defaultServer: 'memory:9192',
    defaultScheme: 'ws',
    dial(url, protocol, handlers) {
      if (!/^wss?:\/\/[^#]+$/.test(url)) {
        throw new LogError(
          'INVALID_CONFIG',
          `cannot dial ${url}: allowed are ws:// and wss:// URLs without a fragment`,
        );
      }
      const link: Link = new Link(url, protocol, wire, handlers, () => links.delete(link));
      links.add(link);
      link.open(() => {
        if (refusing) throw new LogError('NETWORK_EXCEPTION', `${url} refused the connection`);
        return accept(link.server);
      });
      return link.client;
    },
    get sockets() {
      return [...links].filter((link) => link.isOpen).map((link) => link.server);
    },
    refuseDials(refuse) {
      refusing = refuse;
    },
    holdDelivery(hold) {
      wire.held = hold;
      if (!hold) for (const link of links) link.resume();
    },
  };
}

type State = 'dialling' | 'open' | 'closing' | 'closed';

/** One connection: a pipe each way, and who has been told of its end. */
class Link {
  readonly client: ReturnType<Transport['dial']>;
  readonly server: MemorySocket;
  readonly #wire: Wire;
  readonly #handlers: ConnectionHandlers;
  readonly #forget: () => void;
  readonly #toServer: Pipe;
  readonly #toClient: Pipe;
  #serverHandlers: MemorySocketHandlers | undefined;
  #state: State = 'dialling';

  constructor(url: string, protocol: string, wire: Wire, handlers: ConnectionHandlers, forget: () => void) {
    this.#wire = wire;
    this.#handlers = handlers;
    this.#forget = forget;
    this.#toServer = new Pipe(wire);
    this.#toClient = new Pipe(wire);
    const { server, client } = this.#ends(url, protocol);
    this.server = server;
    this.client = client;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  open(accept: () => MemorySocketHandlers): void {
    this.#toClient.push(0, () => {
      if (this.#state !== 'dialling') return;
      try {
        // What the server sends while it accepts waits behind the open.
        this.#state = 'open';
        this.#serverHandlers = accept();
      } catch (error) {
        this.#end(1006, LogError.from(error).message);
        return;
      }
      this.#handlers.onOpen();
    });
  }

  resume(): void {
    this.#toServer.resume();
    this.#toClient.resume();
  }

  #ends(url: string, protocol: string): { server: MemorySocket; client: Link['client'] } {
    const link = this;
    return {
      client: {
        send(frame) {
          if (link.#state === 'dialling') throw new LogError('ILLEGAL_STATE', 'the connection is not open yet');
          if (link.#state !== 'open') return;
          const kept = copy(frame);
          link.#toServer.push(kept.length, () => link.#serverHandlers?.onFrame(kept));
        },
        get bufferedBytes() {
          return link.#toServer.bytes;
        },
        close(code, reason) {
          checkCloseCode(code);
          const was = link.#state;
          if (was === 'dialling' || was === 'open') link.#state = 'closing';
          if (was === 'dialling') link.#wire.schedule(() => link.#end(1006, 'closed before it was open'));
          if (was === 'open') link.#toServer.push(0, () => link.#end(code, reason));
        },
      },
      server: {
        url,
        protocol,
        send(frame, onWritten) {
          if (link.#state !== 'open') {
            if (onWritten !== undefined) link.#wire.schedule(onWritten);
            return;
          }
          const kept = copy(frame);
          link.#toClient.push(
            kept.length,
            () => {
              if (link.#state === 'open') link.#handlers.onFrame(kept);
            },
            onWritten,
          );
        },
        get bufferedBytes() {
          return link.#toClient.bytes;
        },
        close(code, reason) {
          if (link.#state === 'open') link.#toClient.push(0, () => link.#end(code, reason));
        },
        terminate() {
          link.#wire.schedule(() => link.#end(1006, ''));
        },
        pauseReading() {
          link.#toServer.paused = true;
        },
        resumeReading() {
          link.#toServer.paused = false;
          link.#toServer.resume();
        },
      },
    };
  }

  /** Both ends hear of it, whoever began; what is still under way is lost. */
  #end(code: number, reason: string): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#forget();
    this.#toServer.clear();
    this.#toClient.clear();
    const serverHandlers = this.#serverHandlers;
    this.#handlers.onClose({ code, reason });
    serverHandlers?.onClose({ code, reason });
  }
}

interface Parcel {
  /** It has been on its way for long enough. */
  due: boolean;
  readonly bytes: number;
  readonly deliver: () => void;
  readonly onWritten: (() => void) | undefined;
}

/** One direction. What is under way is bounded by its users, who look at `bytes`. */
class Pipe {
  readonly #wire: Wire;
  #parcels: Parcel[] = [];
  paused = false;
  bytes = 0;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  push(bytes: number, deliver: () => void, onWritten?: () => void): void {
    const parcel: Parcel = { due: false, bytes, deliver, onWritten };
    this.#parcels.push(parcel);
    this.bytes += bytes;
    this.#wire.schedule(() => {
      parcel.due = true;
      this.resume();
    });
  }

  resume(): void {
    while (!this.#wire.held && !this.paused) {
      const [parcel] = this.#parcels;
      if (parcel?.due !== true) return;
      this.#parcels.shift();
      this.bytes -= parcel.bytes;
      parcel.deliver();
      parcel.onWritten?.();
    }
  }

  clear(): void {
    const lost = this.#parcels;
    this.#parcels = [];
    this.bytes = 0;
    for (const { onWritten } of lost) onWritten?.();
  }
}

/** The sender may use its buffer again, the receiver may keep what it got. */
function copy(frame: string | Uint8Array): string | Uint8Array {
  return typeof frame === 'string' ? frame : frame.slice();
}

function checkCloseCode(code: number): void {
  if (code === CLOSE_CODES.NORMAL.code || (code >= 3000 && code <= 4999)) return;
  throw new LogError('INVALID_REQUEST', `close code ${code} is not allowed: 1000 or 3000 to 4999`);
}
