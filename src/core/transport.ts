// The seam between the core and a runtime's WebSocket. A transport dials, sends, yields frames and reports one close; nothing else.

export interface ConnectionHandlers {
  onOpen(): void;
  /** Text frames as string, binary frames as bytes (a view that the receiver may keep). */
  onFrame(frame: string | Uint8Array): void;
  /** Exactly once, also when the dial failed (code 1006). Nothing is called after it. */
  onClose(close: { readonly code: number; readonly reason: string }): void;
}
export interface Connection {
  /** Hands a frame to the socket. After the close it does nothing: onClose has said so. */
  send(frame: string | Uint8Array): void;
  /** Bytes handed over and not yet written. */
  readonly bufferedBytes: number;
  /** 1000 or 3000–4999; reason up to 123 bytes. Idempotent; onClose follows. */
  close(code: number, reason: string): void;
}
/** What a page or a machine tells about its life. 'wake': look whether the connection is still alive; 'offline': it is not worth dialling. */
export type LifecycleSignal =
  | 'online'
  | 'offline'
  | 'visible'
  | 'hidden'
  | 'freeze'
  | 'resume'
  | 'pagehide'
  | 'pageshow';

/** A place for one secret, owned by one page at a time. */
export interface KeepsakeSlot {
  /** What the page's earlier life left here. */
  readonly saved: string | undefined;
  /** At once, so that a page that ends in the next moment has kept it. undefined: nothing is left. */
  save(value: string | undefined): void;
  /** Nothing more is saved; what is there stays for the page's next life. Idempotent. */
  release(): void;
}

export interface Transport {
  /** For messages: 'node', 'browser', 'memory'. */
  readonly name: string;
  /** Used where bootstrapServers is absent: 'localhost:9192', or the page's own host. */
  readonly defaultServer: string;
  /** Scheme of a bare host:port. */
  readonly defaultScheme: 'ws' | 'wss';
  /** Starts to dial and returns at once; handlers are attached before anything can arrive. Throws INVALID_CONFIG for a URL it cannot dial. */
  dial(url: string, protocol: string, handlers: ConnectionHandlers): Connection;
  /** Where the runtime has such signals; returns how to stop listening. */
  onLifecycle?(listener: (signal: LifecycleSignal) => void): () => void;
  /**
   * Where the runtime can keep something over a reload: the first slot of `key` that no consumer here and no other page owns. Never
   * rejects; undefined where there is no such place.
   */
  keepsake?(key: string): Promise<KeepsakeSlot | undefined>;
}
