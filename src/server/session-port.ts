// The contract between a gateway's socket (or the in-memory transport) and the protocol session behind it.
import type { Clock, Random } from '../core/index.ts';
import type { CloseReason, Decompressors } from '../protocol/index.ts';
import type { Limits } from './limits.ts';
import type { Log } from './log.ts';

/** One socket as the session sees it. */
export interface SocketPort {
  /** Queues a frame; `onWritten` once the kernel (or the peer) took it, also when the socket failed. */
  send(frame: string | Uint8Array, onWritten?: () => void): void;
  /** Bytes queued and not yet taken. */
  readonly bufferedBytes: number;
  close(code: number, reason: string): void;
  /**
   * Stops (and goes on) taking frames from the peer, so that what the log cannot take yet waits in the peer’s socket.
   * Frames that were read already may still arrive. Without it a peer that produces faster than the log writes is closed 4529.
   */
  pauseReading?(): void;
  resumeReading?(): void;
}
/** Counters the gateway exports; the session only calls them. */
export interface SessionMetrics {
  framesIn(count: number, bytes: number): void;
  framesOut(count: number, bytes: number): void;
  records(topic: string, direction: 'in' | 'out', batches: number, bytes: number): void;
  request(type: string, outcome: 'ok' | string, durationMs: number): void;
  malformedFrame(): void;
}
export interface SessionLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
export interface ServerSessionOptions {
  readonly socket: SocketPort;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: Limits;
  /** For welcome. */
  readonly server: { readonly name: string; readonly version: string };
  readonly logger: SessionLogger;
  readonly metrics?: SessionMetrics | undefined;
  /** For batches in codecs the client did not announce, beyond the runtime's own gzip or in its place. Default: none. */
  readonly decompressors?: Decompressors | undefined;
}
/** Feed it what the socket says. It never throws: what goes wrong is answered, or closes this one socket. */
export interface ServerSession {
  readonly sessionId: string;
  /** As in the hello; undefined until then, or when it had none. For the gateway's log. */
  readonly clientId?: string | undefined;
  onText(text: string): void;
  onBinary(frame: Uint8Array): void;
  /** The socket is gone, whoever closed it: releases everything. `code`: as the peer closed it, where it did. Idempotent. */
  onClosed(code?: number): void;
  /** Announces the end (goaway frame), the caller closes later; before the hello it closes at once with 4503. */
  goaway(reason: string, reconnectAfterMs: number, closeInMs: number): void;
  close(reason: CloseReason, message: string): void;
}
export type CreateServerSession = (options: ServerSessionOptions) => ServerSession;
