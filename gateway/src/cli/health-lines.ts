// Says in the gateway's log when the log it serves stops serving, and when it serves again. Knows nothing of which log it is.
import type { LogError } from 'distributedlog/protocol';
import type { Logger } from '../options.ts';

/** How often the same trouble is said again. */
const AGAIN_AFTER_MS = 60_000;

/** A look at a log's health: to be called about once a second. Says nothing as long as all is well. */
export function healthLines(health: () => LogError | undefined, logger: Logger, now: () => number): () => void {
  let trouble: { readonly code: string; readonly since: number; saidAt: number } | undefined;
  return () => {
    const error = health();
    const at = now();
    if (error === undefined) {
      if (trouble !== undefined) logger.info({ afterMs: Math.round(at - trouble.since) }, 'the log can be served now');
      trouble = undefined;
    } else if (trouble?.code !== error.code || at - trouble.saidAt >= AGAIN_AFTER_MS) {
      trouble = { code: error.code, since: trouble?.since ?? at, saidAt: at };
      logger.warn(
        { code: error.code, forMs: Math.round(at - trouble.since) },
        `the log cannot be served: ${error.message}`,
      );
    }
  };
}
