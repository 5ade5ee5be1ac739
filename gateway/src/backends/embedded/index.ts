// The embedded log: durable, with nothing to set up.
import { systemClock } from 'distributedlog/core';
import type { Log } from 'distributedlog/server';
import { openInDirectory } from './open.ts';
import type { EmbeddedLogOptions } from './options.ts';

export type { EmbeddedLogOptions } from './options.ts';

/**
 * Opens (or makes) the log in `dir`. What `append` has resolved survives `kill -9` and a power cut.
 * Rejects with INVALID_CONFIG for wrong options, and with KAFKA_STORAGE_ERROR, in one line that says what to do, where
 * the directory cannot be used, is in use by another process, or holds a damaged store.
 */
export function embeddedLog(options: EmbeddedLogOptions): Promise<Log> {
  return openInDirectory(options, { clock: systemClock, random: Math.random });
}
