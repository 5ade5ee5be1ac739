// The data directory around the store: made, locked, looked through, and marked when it was left in order. Knows nothing of what is stored.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { LogError } from 'distributedlog/protocol';
import { lockDirectory } from './directory-lock.ts';
import { STORE_FILE } from './store.ts';
import { checkStore } from './store-check.ts';

/** There while no process has the store open, and the last one that had closed it. */
const CLEAN_MARKER = 'clean-shutdown';
const MIN_FREE_BYTES = 1024 * 1024;

export interface DataDirectory {
  readonly path: string;
  /** The store was not closed by whoever had it open last. */
  readonly wasUnclean: boolean;
  freeBytes(): Promise<number>;
  /** `clean`: the store has been closed, and all is on disk. */
  release(clean: boolean): Promise<void>;
}

/** With its parents. Not Node's own recursion: that never ends where a directory that is there refuses children with ENOENT, as in /proc. */
function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  makeDirectory(dirname(path));
  mkdirSync(path);
}

/** Throws KAFKA_STORAGE_ERROR in one clear line. */
export async function openDataDirectory(dir: string): Promise<DataDirectory> {
  let path: string;
  try {
    makeDirectory(resolve(dir));
    path = realpathSync(resolve(dir));
  } catch (error) {
    throw cannotUse(dir, error);
  }
  const lock = await lockDirectory(path);
  const marker = join(path, CLEAN_MARKER);
  try {
    await assertRoom(path);
    const wasUnclean = existsSync(join(path, STORE_FILE)) && !existsSync(marker);
    await checkStore(path, { thorough: wasUnclean });
    rmSync(marker, { force: true });
    syncDirectory(path);
    return {
      path,
      wasUnclean,
      freeBytes: () => freeBytes(path),
      async release(clean) {
        try {
          if (clean) markClean(path, marker);
        } finally {
          await lock.release();
        }
      },
    };
  } catch (error) {
    await lock.release();
    throw error instanceof LogError ? error : cannotUse(path, error);
  }
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** The store maps its files into memory, and a mapped page for which there is no room ends the process. */
async function assertRoom(path: string): Promise<void> {
  const free = await freeBytes(path);
  if (free >= MIN_FREE_BYTES) return;
  const message = `disk full: ${free} bytes are free for the log in ${path}; at least ${MIN_FREE_BYTES} are needed to open it`;
  throw new LogError('KAFKA_STORAGE_ERROR', message, { retriable: false });
}

/** Best effort: on a full disk the marker may not fit, and then the next start merely checks more. */
function markClean(path: string, marker: string): void {
  try {
    writeFileSync(marker, '');
    syncDirectory(path);
  } catch (error) {
    rmSync(marker, { force: true });
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
}

/** A file's name is on disk only once its directory is. */
export function syncDirectory(path: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function cannotUse(dir: string, cause: unknown): LogError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LogError('KAFKA_STORAGE_ERROR', `cannot use the data directory ${dir}: ${reason}`, {
    cause,
    retriable: false,
  });
}
