// Makes sure that a transaction has room in the store's file before the library writes it. Knows nothing of tables or records.
import { closeSync, openSync, statfsSync, statSync, writeSync } from 'node:fs';
import { LogError } from 'distributedlog/protocol';

// Why the library must never find the disk full: when a write fails with an errno, its C code prints what it tried into
// a buffer of 100 bytes that is too short for it (for a large value, or at a large position), and the process aborts
// soon after. So while the disk is nearly full, the file is first made long enough with zeros, by a write of ours: that
// one fails as an ordinary error. What the library then writes falls on blocks that the file has already.
//
// What this cannot see: a quota that the file system does not report as free space, and a file system that takes new
// blocks for what is overwritten (copy on write).

/** With so much free, a transaction is not at risk, and the zeros are saved. Others would have to fill it within milliseconds. */
const PLENTY_BYTES = 256 * 1024 * 1024;
/** Kept at the end of the file for what gives space back: 128 removed values with all that they touch. */
const RESERVE_BYTES = 4 * 1024 * 1024;
/** Left to the rest of the machine, so that a log that filled its disk can be opened again. */
const LEFT_FREE_BYTES = 2 * 1024 * 1024;
/** Counted for what a transaction writes beside its values, generously: the paths to them, and the list of free pages. */
const OVERHEAD_BYTES = 1024 * 1024;
const OVERHEAD_BYTES_PER_MUTATION = 2 * 4096;
const ZEROS_BYTES = 1024 * 1024;

/** What is known of the file without looking at it. */
export interface FileUse {
  /** The end of the last page that was ever used. */
  endBytes(): number;
  /** In pages before that end which hold nothing. They need not be adjacent, nor free for the next transaction. */
  idleBytes(): number;
}
export interface RoomNeeded {
  readonly valueBytes: number;
  readonly mutations: number;
  /** It gives space back, or cannot wait until there is some. */
  readonly fromReserve: boolean;
}

/** Throws KAFKA_STORAGE_ERROR ("no space left") or the file system's error; the transaction must then not be tried. */
export function ensureRoom(file: string, use: FileUse, { valueBytes, mutations, fromReserve }: RoomNeeded): void {
  const { bavail, bsize } = statfsSync(file);
  const free = Math.max(0, bavail * bsize - LEFT_FREE_BYTES);
  const needed = valueBytes + OVERHEAD_BYTES + mutations * OVERHEAD_BYTES_PER_MUTATION;
  if (free >= PLENTY_BYTES + needed) return;
  const { size, blocks } = statSync(file);
  const ahead = size - use.endBytes();
  let wanted = needed + RESERVE_BYTES;
  // What was removed leaves idle pages. The transaction probably goes there, and where it does not, it still fits.
  if (ahead + free < wanted && (fromReserve || use.idleBytes() >= needed + wanted)) wanted = needed;
  const missing = Math.max(0, wanted - ahead);
  // Pages that were skipped when they were new have no blocks yet. (Not every system counts blocks.)
  const holes = blocks > 0 ? Math.max(0, size - blocks * 512) : 0;
  if (free < missing + Math.min(holes, needed))
    throw new LogError('KAFKA_STORAGE_ERROR', `disk full: no space left for ${needed} bytes in ${file}`);
  if (missing > 0) extend(file, missing);
}

function extend(file: string, bytes: number): void {
  const zeros = Buffer.alloc(Math.min(bytes, ZEROS_BYTES));
  // Appended, so that it cannot touch what the file holds.
  const handle = openSync(file, 'a');
  try {
    for (let left = bytes; left > 0; ) left -= writeSync(handle, zeros, 0, Math.min(left, zeros.length));
  } finally {
    closeSync(handle);
  }
}
