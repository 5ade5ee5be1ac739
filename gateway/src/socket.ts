// A `ws` socket as the port that a protocol session speaks through. Knows nothing of frames' contents.
import type { Socket } from 'node:net';
import type { SocketPort } from 'distributedlog/server';
import { WebSocket } from 'ws';

export interface WebSocketPortOptions {
  /** While more than this is unsent, nothing is read from the peer: who does not take answers gets to ask no more. */
  readonly pauseReadingAboveBytes: number;
  /** A write callback threw. */
  readonly onFailure: (error: unknown) => void;
}

export class WebSocketPort implements SocketPort {
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #options: WebSocketPortOptions;
  #corked = false;
  /** The session wants no more for now. */
  #held = false;
  #closeCode: number | undefined;

  /** `socket` is the TCP or TLS socket under `ws`. */
  constructor(ws: WebSocket, socket: Socket, options: WebSocketPortOptions) {
    this.#ws = ws;
    this.#socket = socket;
    this.#options = options;
  }

  /** The code this end closed with, if it did. */
  get closeCode(): number | undefined {
    return this.#closeCode;
  }

  get bufferedBytes(): number {
    return this.#ws.readyState === WebSocket.OPEN ? unsentBytes(this.#socket) : 0;
  }

  send(frame: string | Uint8Array, onWritten?: () => void): void {
    // All that is sent in one turn of the event loop goes to the kernel in one write.
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(this.#uncork);
    }
    this.#ws.send(frame, () => this.#written(onWritten));
    this.#updateReading();
  }

  pauseReading(): void {
    this.#held = true;
    this.#updateReading();
  }
  resumeReading(): void {
    this.#held = false;
    this.#updateReading();
  }

  close(code: number, reason: string): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    this.#closeCode = code;
    this.#ws.close(code, shortReason(reason));
    // The peer's close frame is behind whatever else it has sent.
    this.#ws.resume();
  }

  readonly #uncork = (): void => {
    this.#corked = false;
    this.#socket.uncork();
  };

  #written(onWritten: (() => void) | undefined): void {
    this.#updateReading();
    try {
      onWritten?.();
    } catch (error) {
      this.#options.onFailure(error);
    }
  }

  #updateReading(): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    const pause = this.#held || this.bufferedBytes > this.#options.pauseReadingAboveBytes;
    if (pause && !this.#ws.isPaused) this.#ws.pause();
    else if (!pause && this.#ws.isPaused) this.#ws.resume();
  }
}

/** Control frames hold 125 bytes: a code and 123 of reason. */
const MAX_REASON_BYTES = 123;

/** What of the text fits into a close frame, in whole characters. */
export function shortReason(reason: string): Buffer {
  const bytes = Buffer.from(reason);
  if (bytes.length <= MAX_REASON_BYTES) return bytes;
  let end = MAX_REASON_BYTES;
  // Not inside a character: its bytes after the first are 10xxxxxx.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

/**
 * Bytes given to the socket that the kernel has not taken. `writableLength` alone counts a write in full until its last
 * byte is gone, and Node makes one write of all that waits: on a slow line a megabyte would seem stuck for its whole
 * journey. Node's own idle timeout looks at the same two fields; where a runtime lacks them, the coarse count stands.
 */
function unsentBytes(socket: Socket): number {
  const { _writableState: state, _handle: handle } = socket as Socket & {
    readonly _writableState?: { readonly writelen?: number };
    readonly _handle?: { readonly writeQueueSize?: number } | null;
  };
  const inFlight = state?.writelen;
  const left = handle?.writeQueueSize;
  if (inFlight === undefined || left === undefined) return socket.writableLength;
  return socket.writableLength - Math.max(0, inFlight - left);
}
