// Where a gateway's log goes by default, and loggers that repeat the fields of their connection.
import { type LevelWithSilent, pino } from 'pino';
import type { Logger } from './options.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const satisfies readonly LevelWithSilent[];
export type LogLevel = (typeof LOG_LEVELS)[number];

/** JSON lines on standard error: standard output belongs to what a command prints. */
export function defaultLogger(level: LogLevel = 'info'): Logger {
  // Synchronous, so that the last words of a process that ends are written.
  return pino({ name: 'dlog-gateway', level }, pino.destination({ dest: 2, sync: true }));
}

export function withFields(logger: Logger, fields: object): Logger {
  return {
    debug: (more, message) => logger.debug({ ...fields, ...more }, message),
    info: (more, message) => logger.info({ ...fields, ...more }, message),
    warn: (more, message) => logger.warn({ ...fields, ...more }, message),
    error: (more, message) => logger.error({ ...fields, ...more }, message),
  };
}
