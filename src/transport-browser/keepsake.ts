// Keeps secrets over a reload: in the tab's own sessionStorage, each under a Web Lock, since a duplicated tab gets a copy of the storage. Knows nothing of what they are.
import type { KeepsakeSlot } from '../core/index.ts';

interface Entry {
  /** Whoever has the Web Lock of this name owns the entry. */
  readonly lock: string;
  /** The page that wrote it. */
  readonly page: number;
  readonly value?: string | undefined;
}
/** How long a page that is reloaded may hold on to its locks. */
const WAIT_MS = 1_000;
const PREFIX = 'distributedlog:';

/** The first slot that nobody owns; undefined in workers, in insecure contexts, and where storage is denied. */
export async function claimKeepsake(key: string): Promise<KeepsakeSlot | undefined> {
  try {
    const storage = sessionStorage;
    // Different for each load of each page, as good as always; where not, a slot is taken for one of our own.
    const page = performance.timeOrigin;
    // One at a time, so that the consumers of a page find the same slots in its next life.
    const done = await acquire(`${PREFIX}${page}`);
    if (done === undefined) return undefined;
    try {
      for (let n = 0; ; n++) {
        const slot = await claimEntry(storage, `${PREFIX}${key}:${n}`, page);
        if (slot !== undefined) return slot;
      }
    } finally {
      done();
    }
  } catch {
    // Such a page does without.
    return undefined;
  }
}

/** undefined: another consumer of this page has it. */
async function claimEntry(storage: Storage, name: string, page: number): Promise<KeepsakeSlot | undefined> {
  let entry = read(storage, name);
  let release = entry && (await acquire(entry.lock, { ifAvailable: true }));
  if (entry !== undefined && release === undefined) {
    if (entry.page === page) return undefined;
    release = await acquire(entry.lock, { signal: AbortSignal.timeout(WAIT_MS) });
  }
  // Another page has it for good: what is here is a copy, or a frame's that shares the storage.
  if (entry === undefined || release === undefined) {
    entry = { lock: PREFIX + crypto.randomUUID(), page };
    release = await acquire(entry.lock);
  }
  const { lock, value: saved } = entry;
  let value = saved;
  let over = false;
  const write = (): void => {
    try {
      if (release !== undefined) storage.setItem(name, JSON.stringify({ lock, page, value } satisfies Entry));
    } catch {
      // A full storage: the page's next life begins without.
      storage.removeItem(name);
    }
  };
  // A page that holds a lock is not kept in the back/forward cache.
  const onHide = (): void => {
    release?.();
    release = undefined;
  };
  const onShow = async ({ persisted }: PageTransitionEvent): Promise<void> => {
    if (!persisted) return;
    release = await acquire(lock, { ifAvailable: true });
    if (over) onHide();
    write();
  };
  addEventListener('pagehide', onHide);
  addEventListener('pageshow', onShow);
  write();
  return {
    saved,
    save(kept) {
      value = kept;
      write();
    },
    release() {
      over = true;
      if (release !== undefined && value === undefined) storage.removeItem(name);
      onHide();
      removeEventListener('pagehide', onHide);
      removeEventListener('pageshow', onShow);
    },
  };
}

function read(storage: Storage, name: string): Entry | undefined {
  try {
    const entry: Entry | null = JSON.parse(storage.getItem(name) ?? 'null');
    return typeof entry?.lock === 'string' ? entry : undefined;
  } catch {
    return undefined;
  }
}

/** How to give the lock back; undefined: it could not be had. */
function acquire(name: string, options: LockOptions = {}): Promise<(() => void) | undefined> {
  return new Promise((resolve) => {
    navigator.locks
      .request(name, options, (lock) => new Promise<void>((release) => resolve(lock === null ? undefined : release)))
      .catch(() => resolve(undefined));
  });
}
