// Opens an embedded log in its directory, and leaves nothing held when that fails.
import type { Clock, Random } from 'distributedlog/core';
import { openDataDirectory, syncDirectory } from './data-directory.ts';
import { type EmbeddedLog, type EmbeddedLogTuning, openEmbeddedLog } from './embedded-log.ts';
import { type EmbeddedLogOptions, parseEmbeddedLogOptions } from './options.ts';
import { openStore, type Store } from './store.ts';

export interface Environment extends EmbeddedLogTuning {
  readonly clock: Clock;
  readonly random: Random;
}

export async function openInDirectory(options: EmbeddedLogOptions, environment: Environment): Promise<EmbeddedLog> {
  const settings = parseEmbeddedLogOptions(options);
  const directory = await openDataDirectory(settings.dir);
  let store: Store | undefined;
  try {
    store = openStore(directory.path);
    // So that a new store is still there after a power cut.
    syncDirectory(directory.path);
    const { clock, random, ...tuning } = environment;
    return await openEmbeddedLog({ store, directory, settings, clock, random, tuning });
  } catch (error) {
    try {
      await store?.close();
    } finally {
      await directory.release(false);
    }
    throw error;
  }
}
