// The line of one client, as conformance cases need it: what goes over it can be seen, held back and refused, and its page can come and go. Knows nothing of gateways.
import type { Connection, ConnectionHandlers, LifecycleSignal, Transport } from '../core/transport.ts';
import { ERROR_TABLE, type ErrorCode } from '../protocol/index.ts';

/** A way into the gateway that can be cut by itself. */
export interface Link {
  readonly transport: Transport;
  /** What to dial. */
  readonly server: string;
  /** Cuts its connections, as a cable that is pulled. */
  cut(): void;
}
/** A control frame that went over the line, in the order of the line. */
export interface SeenFrame {
  readonly from: 'client' | 'gateway';
  /** Counts the connections of the line, from 0. */
  readonly connection: number;
  readonly type: string;
  readonly frame: Readonly<Record<string, unknown>>;
}

export class Wire {
  /** How clients use it. */
  readonly config: { readonly transport: Transport; readonly bootstrapServers: string };
  /** Control frames only. */
  readonly seen: SeenFrame[] = [];
  /** Close codes as the client was told them, by connection. */
  readonly closes: { readonly connection: number; readonly code: number }[] = [];
  readonly #link: Link;
  readonly #signals = new Set<(signal: LifecycleSignal) => void>();
  readonly #held: (() => void)[] = [];
  #holding: 'client' | 'gateway' | 'both' | undefined;
  #holdAt: string | undefined;
  #refusing = false;
  #connections = 0;
  #failing: { readonly type: string; readonly code: ErrorCode } | undefined;

  constructor(link: Link, keepsake: Transport['keepsake']) {
    this.#link = link;
    const transport: Transport = {
      ...link.transport,
      dial: (url, protocol, handlers) => this.#dial(url, protocol, handlers),
      onLifecycle: (listener) => {
        this.#signals.add(listener);
        return () => this.#signals.delete(listener);
      },
      ...(keepsake === undefined ? {} : { keepsake }),
    };
    this.config = { transport, bootstrapServers: link.server };
  }

  /** As a browser tells a page what becomes of it. */
  signal(signal: LifecycleSignal): void {
    for (const listener of [...this.#signals]) listener(signal);
  }
  cut(): void {
    this.#link.cut();
  }
  /** Cuts, and lets no dial through until it is `mended`. */
  break(): void {
    this.#refusing = true;
    this.cut();
  }
  mend(): void {
    this.#refusing = false;
  }
  /** Nothing gets through in that direction (default: both) until `release`, news of a close included. */
  hold(from: 'client' | 'gateway' | 'both' = 'both'): void {
    this.#holding = from;
  }
  /** Holds the gateway's next frame of that type, and all that comes after it. */
  holdAt(type: string): void {
    this.#holdAt = type;
  }
  /** All that was held goes on, in order. */
  release(): void {
    this.#holding = undefined;
    for (const deliver of this.#held.splice(0)) deliver();
  }
  /** The next request of this type is answered with an error, and the gateway never sees it. */
  failNext(type: string, code: ErrorCode): void {
    this.#failing = { type, code };
  }
  frames(from: SeenFrame['from'], type: string): SeenFrame[] {
    return this.seen.filter((frame) => frame.from === from && frame.type === type);
  }

  #dial(url: string, protocol: string, handlers: ConnectionHandlers): Connection {
    const connection = this.#connections++;
    if (this.#refusing) {
      queueMicrotask(() => handlers.onClose({ code: 1006, reason: 'refused' }));
      return { send() {}, bufferedBytes: 0, close() {} };
    }
    const pass = (from: 'client' | 'gateway', deliver: () => void): void => {
      if (this.#holding === from || this.#holding === 'both') this.#held.push(deliver);
      else deliver();
    };
    const far = this.#link.transport.dial(url, protocol, {
      onOpen: () => pass('gateway', () => handlers.onOpen()),
      onFrame: (frame) => {
        const seen = this.#note('gateway', connection, frame);
        if (seen !== undefined && seen.type === this.#holdAt) {
          this.#holdAt = undefined;
          this.hold('gateway');
        }
        pass('gateway', () => handlers.onFrame(frame));
      },
      onClose: (close) => {
        this.closes.push({ connection, code: close.code });
        pass('gateway', () => handlers.onClose(close));
      },
    });
    return {
      send: (frame) => {
        const seen = this.#note('client', connection, frame);
        const failing = this.#failing;
        if (failing === undefined || seen?.type !== failing.type) {
          pass('client', () => far.send(frame));
          return;
        }
        this.#failing = undefined;
        const { retriable } = ERROR_TABLE[failing.code];
        const answer = {
          type: 'error',
          id: seen.frame.id,
          code: failing.code,
          message: 'as the case wants',
          retriable,
        };
        queueMicrotask(() => pass('gateway', () => handlers.onFrame(JSON.stringify(answer))));
      },
      get bufferedBytes() {
        return far.bufferedBytes;
      },
      close: (code, reason) => pass('client', () => far.close(code, reason)),
    };
  }
  #note(from: SeenFrame['from'], connection: number, frame: string | Uint8Array): SeenFrame | undefined {
    if (typeof frame !== 'string') return undefined;
    const parsed: unknown = JSON.parse(frame);
    if (typeof parsed !== 'object' || parsed === null) return undefined;
    const record: Readonly<Record<string, unknown>> = { ...parsed };
    const seen: SeenFrame = { from, connection, type: String(record.type), frame: record };
    this.seen.push(seen);
    return seen;
  }
}
