// One accepted WebSocket and the protocol session behind it. Whatever happens here stays here: no failure leaves this socket.
import type { Socket } from 'node:net';
import { CLOSE_CODES } from 'distributedlog/protocol';
import { createServerSession, type ServerSession, type ServerSessionOptions } from 'distributedlog/server';
import { type RawData, WebSocket } from 'ws';
import { withFields } from './logging.ts';
import type { GatewayMetrics } from './metrics.ts';
import { WebSocketPort } from './socket.ts';

export interface ServedSocketOptions extends Omit<ServerSessionOptions, 'socket' | 'metrics'> {
  readonly ws: WebSocket;
  /** The TCP or TLS socket under `ws`. */
  readonly socket: Socket;
  /** For the log. */
  readonly address: string;
  readonly metrics: GatewayMetrics;
  /** Called once. */
  readonly onGone: (served: ServedSocket) => void;
}

export class ServedSocket {
  readonly #options: ServedSocketOptions;
  readonly #port: WebSocketPort;
  readonly #session: ServerSession;
  readonly #openedAt: number;

  constructor(options: ServedSocketOptions) {
    const { ws, socket, address, limits, clock, metrics, onGone: _, ...rest } = options;
    this.#options = options;
    this.#openedAt = clock.now();
    this.#port = new WebSocketPort(ws, socket, {
      // Data stops at maxSocketBufferBytes, give or take a batch; only answers nobody takes lead beyond.
      pauseReadingAboveBytes: limits.maxSocketBufferBytes + limits.maxBatchBytes,
      onFailure: (error) => this.#fail(error),
    });
    // Until the session exists, its errors have no one else to listen.
    ws.on('error', (error) => this.#options.logger.debug({ address, err: error }, 'a socket failed'));
    const logger = withFields(options.logger, { address });
    this.#session = createServerSession({ ...rest, clock, limits, metrics, logger, socket: this.#port });
    metrics.connectionOpened();
    options.logger.info({ address, sessionId: this.#session.sessionId }, 'session opened');
    ws.on('message', (data, isBinary) => this.#receive(data, isBinary));
    ws.on('close', (code) => this.#gone(code));
  }

  goaway(reason: string, reconnectAfterMs: number, closeInMs: number): void {
    this.#guard(() => this.#session.goaway(reason, reconnectAfterMs, closeInMs));
  }
  close(reason: keyof typeof CLOSE_CODES, message: string): void {
    this.#guard(() => this.#session.close(reason, message));
  }
  /** Without a word. */
  cut(): void {
    this.#options.ws.terminate();
  }

  #receive(data: RawData, isBinary: boolean): void {
    // What was on its way when this end closed has no one to go to.
    if (this.#options.ws.readyState !== WebSocket.OPEN || !Buffer.isBuffer(data)) return;
    this.#guard(() => {
      if (isBinary) this.#session.onBinary(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      else this.#session.onText(data.toString());
    });
  }

  #gone(peerCode: number): void {
    const { address, clock, logger, metrics, onGone } = this.#options;
    const code = this.#port.closeCode ?? peerCode;
    metrics.connectionClosed(code);
    logger.info(
      {
        address,
        sessionId: this.#session.sessionId,
        clientId: this.#session.clientId,
        code,
        durationMs: clock.now() - this.#openedAt,
      },
      'session closed',
    );
    onGone(this);
    this.#guard(() => this.#session.onClosed(peerCode));
  }

  /** A session does not throw; should one ever, its socket alone pays for it. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }
  #fail(error: unknown): void {
    const { address, logger } = this.#options;
    logger.error({ address, sessionId: this.#session.sessionId, err: error }, 'a session failed');
    this.#port.close(CLOSE_CODES.INTERNAL.code, 'the gateway failed in a way it did not expect');
  }
}
