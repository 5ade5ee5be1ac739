// What a session sends through its socket: frames, whether there is room for more, and whether the peer takes them at all. Knows nothing of what the frames mean.
import type { Clock } from '../core/index.ts';
import { encodeServerFrame, type ServerFrame } from '../protocol/index.ts';
import type { Limits } from './limits.ts';
import type { SessionMetrics, SocketPort } from './session-port.ts';

export interface OutboxOptions {
  readonly socket: SocketPort;
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'maxSocketBufferBytes' | 'stallTimeoutMs'>;
  readonly metrics: SessionMetrics | undefined;
  /** A frame left and there is room for more. */
  readonly onRoom: () => void;
  /** The socket threw. */
  readonly onFault: (error: unknown) => void;
  /** Bytes were waiting, and the socket took none for stallTimeoutMs. */
  readonly onStalled: () => void;
}

/** Looks at the buffer this many times in a stall timeout: progress inside a large frame shows only there. */
const STALL_LOOKS = 4;

export class Outbox {
  readonly #options: OutboxOptions;
  #closed = false;
  #dataWritten = 0;
  #progressAt = 0;
  #cancelStall: (() => void) | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Whether the socket should be given more. */
  get hasRoom(): boolean {
    const { socket, limits } = this.#options;
    return !this.#closed && socket.bufferedBytes < limits.maxSocketBufferBytes;
  }

  /** Data frames the peer has taken. The kernel takes small frames for a dead peer too, so these alone are a sign of life. */
  get dataWritten(): number {
    return this.#dataWritten;
  }

  send(frame: ServerFrame): void {
    const text = encodeServerFrame(frame);
    this.#send(text, text.length, this.#onControlWritten);
  }

  /** `done` is called once, also when the socket is gone. */
  sendData(frame: Uint8Array, done: () => void): void {
    if (this.#closed) {
      done();
      return;
    }
    this.#send(frame, frame.length, () => {
      this.#dataWritten++;
      done();
      this.#onControlWritten();
    });
  }

  close(): void {
    this.#closed = true;
    this.#cancelStall?.();
    this.#cancelStall = undefined;
  }

  readonly #onControlWritten = (): void => {
    this.#progressAt = this.#options.clock.now();
    if (this.hasRoom) this.#options.onRoom();
  };

  #send(frame: string | Uint8Array, bytes: number, onWritten: () => void): void {
    if (this.#closed) return;
    this.#options.metrics?.framesOut(1, bytes);
    try {
      this.#options.socket.send(frame, onWritten);
    } catch (error) {
      this.#options.onFault(error);
      return;
    }
    // Also below the bound: a write that is stuck half-way leaves room that nobody will be told of.
    if (this.#options.socket.bufferedBytes > 0 && this.#cancelStall === undefined && !this.#closed) {
      this.#progressAt = this.#options.clock.now();
      this.#watch();
    }
  }

  /** Looks now and then whether the socket takes anything, as long as something waits. */
  #watch(): void {
    const { clock, limits, socket } = this.#options;
    const buffered = socket.bufferedBytes;
    const verdictInMs = this.#progressAt + limits.stallTimeoutMs - clock.now();
    this.#cancelStall = clock.after(Math.min(verdictInMs, limits.stallTimeoutMs / STALL_LOOKS), () => {
      this.#cancelStall = undefined;
      if (this.#closed || socket.bufferedBytes === 0) return;
      if (socket.bufferedBytes < buffered) this.#progressAt = clock.now();
      if (clock.now() - this.#progressAt < limits.stallTimeoutMs) this.#watch();
      else this.#options.onStalled();
    });
  }
}
