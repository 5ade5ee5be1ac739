// What a browser tab keeps over a reload, in memory: for tests of members that outlive their page. Knows nothing of what is kept.
import type { KeepsakeSlot, Transport } from '../core/index.ts';

/** A tab. Put its `keepsake` into the transport of a consumer that is to live in it. */
export interface MemoryKeepsake {
  readonly keepsake: NonNullable<Transport['keepsake']>;
  /** As if the page was loaded anew: its locks are gone, and what its slots save from now on is not kept; the storage stays. */
  reload(): void;
  /** As if the tab was duplicated: another tab with a copy of the storage, while the locks stay with this one. */
  duplicate(): MemoryKeepsake;
}

interface Entry {
  readonly lock: object;
  value: string | undefined;
}

export function memoryKeepsake(): MemoryKeepsake {
  return tab(new Map(), new Set());
}

/** `locks`: those that are held, by whichever tab. */
function tab(storage: Map<string, Entry>, locks: Set<object>): MemoryKeepsake {
  /** The locks of the present page. */
  let mine = new Set<object>();

  const claim = (key: string): KeepsakeSlot => {
    for (let n = 0; ; n++) {
      const name = `${key}:${n}`;
      const found = storage.get(name);
      if (found !== undefined && mine.has(found.lock)) continue;
      const entry: Entry = found === undefined || locks.has(found.lock) ? { lock: {}, value: undefined } : { ...found };
      const page = mine;
      const { lock, value: saved } = entry;
      page.add(lock);
      locks.add(lock);
      storage.set(name, entry);
      return {
        saved,
        save(value) {
          if (page.has(lock)) entry.value = value;
        },
        release() {
          if (!page.delete(lock)) return;
          locks.delete(lock);
          if (entry.value === undefined) storage.delete(name);
        },
      };
    }
  };

  return {
    keepsake: async (key) => claim(key),
    reload() {
      for (const lock of mine) locks.delete(lock);
      // Those of the old page have theirs no more.
      mine.clear();
      mine = new Set();
    },
    duplicate: () => tab(new Map([...storage].map(([name, entry]) => [name, { ...entry }])), locks),
  };
}
