// The LMDB environment and its tables: one place that knows the library. Knows nothing of topics or offsets.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { LogError } from 'distributedlog/protocol';
import { type Database, open, type RootDatabase } from 'lmdb';
import * as z from 'zod/mini';
import { ensureRoom, type FileUse } from './disk-room.ts';

/** File of the store inside the data directory. */
export const STORE_FILE = 'data.mdb';
/** All tables, as they are named in the file. Keys: see keys.ts. */
export const TABLES = {
  /** Single values: log id, counters, format. */
  meta: 'meta',
  /** topic number → JSON of the topic. */
  topics: 'topics',
  /** topic number → empty: topics that are deleted and not yet cleared away. */
  doomed: 'doomed',
  /** partition → JSON of its state. */
  partitions: 'partitions',
  /** partition, base offset → one or more whole batches, exactly as they are served. */
  batches: 'batches',
  /** partition, timestamp → base offset (f64): every record before that offset has at most that timestamp. */
  times: 'times',
  /** partition, producer id → what is needed to recognise a repeated batch. */
  producers: 'producers',
  /** group, partition → JSON of a committed offset. */
  commits: 'commits',
  /** group → JSON of its members. */
  groups: 'groups',
} as const;
export type TableName = keyof typeof TABLES;

export type Mutation =
  | { readonly table: TableName; readonly key: Buffer; readonly value: Uint8Array }
  | { readonly table: TableName; readonly key: Buffer; readonly value: undefined };

interface KeyRange {
  readonly from: Buffer;
  /** Exclusive. */
  readonly to: Buffer;
  readonly limit?: number;
}

export interface Store {
  /** The value in a buffer that the next call overwrites: copy at once. */
  getShared(table: TableName, key: Buffer): Uint8Array | undefined;
  get(table: TableName, key: Buffer): Buffer | undefined;
  keys(table: TableName, range: KeyRange): Buffer[];
  /** The greatest key ≤ `key`. */
  lastKeyUpTo(table: TableName, key: Buffer): Buffer | undefined;
  entries(table: TableName, range?: KeyRange): { key: Buffer; value: Buffer }[];
  /**
   * One transaction at a time; resolves when it is on disk. Values are held until then. Rejects with the cause (a full
   * disk: "no space left"), and then nothing of it was written. `fromReserve`: it may use the room that is kept for
   * what gives space back. Default false.
   */
  commit(mutations: readonly Mutation[], options?: { readonly fromReserve?: boolean }): Promise<void>;
  fileBytes(): number;
  close(): Promise<void>;
}

/** Why a commit failed: lmdb hangs the cause on its error as a promise, which ends the process if nobody listens. */
async function commitFailure(error: unknown): Promise<Error> {
  const carrier = error instanceof Error ? error : new Error(String(error));
  if (!('commitError' in carrier)) return carrier;
  try {
    await carrier.commitError;
  } catch (cause) {
    return cause instanceof Error ? cause : new Error(String(cause));
  }
  return carrier;
}

export function openStore(dir: string): Store {
  let root: RootDatabase<Uint8Array, Buffer> | undefined;
  const tables = new Map<TableName, Database<Uint8Array, Buffer>>();
  try {
    root = open<Uint8Array, Buffer>({
      path: dir,
      noSubdir: false,
      // A resolved write is then on disk. With overlapping syncs it is merely visible, and a power cut takes it back.
      overlappingSync: false,
      // Its batches make promises of their own that nobody holds: a failed commit would end the process.
      eventTurnBatching: false,
      encoding: 'binary',
      keyEncoding: 'binary',
      maxDbs: Object.keys(TABLES).length + 2,
    });
    for (const name of tableNames())
      tables.set(
        name,
        root.openDB<Uint8Array, Buffer>({ name: TABLES[name], encoding: 'binary', keyEncoding: 'binary' }),
      );
  } catch (error) {
    void root?.close().catch(() => undefined);
    throw unusable(dir, error);
  }
  const environment = root;
  const table = (name: TableName): Database<Uint8Array, Buffer> => {
    const found = tables.get(name);
    if (found === undefined) throw new LogError('ILLEGAL_STATE', `there is no table "${name}"`);
    return found;
  };

  const file = join(dir, STORE_FILE);
  const use = fileUse(environment, tables);

  return {
    getShared(name, key) {
      const shared = table(name).getBinaryFast(key);
      // Its `length` is the value's; the buffer behind it is longer.
      return shared?.subarray(0, shared.length);
    },
    get: (name, key) => table(name).getBinary(key),
    keys: (name, { from, to, limit }) =>
      [...table(name).getKeys({ start: from, end: to, ...(limit === undefined ? {} : { limit }) })].map(copyOfKey),
    lastKeyUpTo(name, key) {
      for (const found of table(name).getKeys({ start: key, reverse: true, limit: 1 })) return copyOfKey(found);
      return undefined;
    },
    entries: (name, range) =>
      [...table(name).getRange(range === undefined ? {} : { start: range.from, end: range.to })].map(
        ({ key, value }) => ({ key: copyOfKey(key), value: Buffer.from(value) }),
      ),
    async commit(mutations, { fromReserve = false } = {}) {
      const valueBytes = mutations.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
      ensureRoom(file, use, { valueBytes, mutations: mutations.length, fromReserve });
      try {
        await environment.batch(() => {
          for (const { table: name, key, value } of mutations) {
            if (value === undefined) table(name).remove(key);
            else table(name).put(key, value);
          }
        });
      } catch (error) {
        throw await commitFailure(error);
      }
    },
    fileBytes: () => statSync(file).size,
    close: () => environment.close(),
  };
}

/** Pages of the file that belong to no tree: two, which take turns in saying where the trees begin. */
const HEADER_PAGES = 2;
const tree = z.object({ treeBranchPageCount: z.int(), treeLeafPageCount: z.int(), overflowPages: z.int() });
const stats = z.extend(tree, { pageSize: z.int(), lastPageNumber: z.int(), root: tree, free: tree });
const pagesOf = ({ treeBranchPageCount, treeLeafPageCount, overflowPages }: z.infer<typeof tree>): number =>
  treeBranchPageCount + treeLeafPageCount + overflowPages;

function fileUse(
  root: RootDatabase<Uint8Array, Buffer>,
  tables: ReadonlyMap<TableName, Database<Uint8Array, Buffer>>,
): FileUse {
  const endBytes = (): number => {
    const { lastPageNumber, pageSize } = stats.parse(root.getStats());
    return (lastPageNumber + 1) * pageSize;
  };
  return {
    endBytes,
    idleBytes() {
      const own = stats.parse(root.getStats());
      const pages = [...tables.values()].reduce((sum, table) => sum + pagesOf(stats.parse(table.getStats())), 0);
      return endBytes() - (HEADER_PAGES + pagesOf(own.root) + pagesOf(own.free) + pages) * own.pageSize;
    },
  };
}

function tableNames(): TableName[] {
  return Object.keys(TABLES).filter((name): name is TableName => name in TABLES);
}
const copyOfKey = (key: Buffer): Buffer => Buffer.from(key);
function unusable(dir: string, error: unknown): LogError {
  const reason = error instanceof Error ? error.message : String(error);
  return new LogError('KAFKA_STORAGE_ERROR', `cannot open the log in ${dir}: ${reason}`, {
    cause: error,
    retriable: false,
  });
}
