// Answers to requests: sent, counted, and logged where they tell of a defect. Knows nothing of what was asked.
import type { Clock } from '../core/index.ts';
import type { ServerFrame } from '../protocol/index.ts';
import { errorFrame } from './error-frames.ts';
import type { SessionLogger, SessionMetrics } from './session-port.ts';

export interface AnswersOptions {
  readonly clock: Clock;
  readonly logger: SessionLogger;
  readonly metrics: SessionMetrics | undefined;
  /** For the log. */
  readonly sessionId: string;
  readonly send: (frame: ServerFrame) => void;
}

export class Answers {
  readonly #options: AnswersOptions;
  #closed = false;

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  now(): number {
    return this.#options.clock.now();
  }

  answer(type: string, reply: ServerFrame, startedAt: number): void {
    if (this.#closed) return;
    this.#options.metrics?.request(type, 'ok', this.now() - startedAt);
    this.#options.send(reply);
  }

  refuse(type: string, id: number, error: unknown, startedAt: number): void {
    if (this.#closed) return;
    const { logger, metrics, sessionId, send } = this.#options;
    const frame = errorFrame(error, id);
    if (frame.code === 'UNKNOWN_SERVER_ERROR') {
      logger.error({ err: error, request: type, sessionId }, 'A request failed unexpectedly');
    }
    metrics?.request(type, frame.code, this.now() - startedAt);
    send(frame);
  }

  /** What is answered from now on has no one to go to. */
  close(): void {
    this.#closed = true;
  }
}
