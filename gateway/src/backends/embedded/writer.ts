// Group commit: whatever gathered while the last transaction was on its way to disk goes into the next one.
// Knows nothing of what is written.
import type { Clock } from 'distributedlog/core';
import { LogError } from 'distributedlog/protocol';
import type { Mutation, Store, TableName } from './store.ts';

/** Takes part in a transaction on behalf of several requests, so that they share what they read and write. */
export interface Participant {
  /** Once, after all requests are staged. */
  prepare(transaction: Transaction): void;
  /** The transaction is on disk. When it fails, the participant is dropped instead. */
  committed(): void;
}

/** One transaction while it is put together. */
export class Transaction {
  readonly mutations: Mutation[] = [];
  readonly participants = new Map<object, Participant>();

  put(table: TableName, key: Buffer, value: Uint8Array): void {
    this.mutations.push({ table, key, value });
  }
  remove(table: TableName, key: Buffer): void {
    this.mutations.push({ table, key, value: undefined });
  }
  /** The participant of this transaction that stands for `owner`. */
  participant<T extends Participant>(owner: object, isOurs: (p: Participant) => p is T, begin: () => T): T {
    const found = this.participants.get(owner);
    if (found !== undefined && isOurs(found)) return found;
    const created = begin();
    this.participants.set(owner, created);
    return created;
  }
}

/** Adds a request to the transaction and returns what to answer once it is on disk. Throws a LogError to fail alone, having added nothing. */
export type Stage<T> = (transaction: Transaction) => () => T;

interface Request {
  readonly bytes: number;
  readonly frees: boolean;
  /** Returns how to answer. */
  stage(transaction: Transaction): () => void;
  fail(error: LogError): void;
}

const nothing = (): void => undefined;

export interface WriterOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly dir: string;
  /** Bytes free on the disk now. */
  readonly freeDiskBytes: () => Promise<number>;
  /** Bytes of one transaction; one larger request is still taken. Default 2 MiB: enough for the disk, and it can be made ready while the one before is written. */
  readonly maxTransactionBytes?: number | undefined;
  /** Bytes that may wait for the disk; more is THROTTLING_QUOTA_EXCEEDED. Default 256 MiB. */
  readonly maxQueuedBytes?: number | undefined;
}

const MAX_TRANSACTION_REQUESTS = 4_096;
/** While the disk is full: how often to look whether there is space again, ms. */
const PROBE_INTERVAL_MS = 1_000;
/** Tried this often even where no space was seen to be freed, ms. */
const PROBE_ANYWAY_MS = 30_000;
const PROBE_BYTES = 256 * 1024;
const PROBE_KEY = Buffer.from('space-probe');

export class Writer {
  private readonly options: WriterOptions;
  private readonly maxTransactionBytes: number;
  private readonly maxQueuedBytes: number;
  private queue: Request[] = [];
  private queuedBytes = 0;
  private running: Promise<void> | undefined;
  private closed = false;
  private failure: LogError | undefined;
  private stopProbing: (() => void) | undefined;
  /** Something was removed since the last probe. */
  private freed = false;
  commits = 0;
  committedBytes = 0;

  constructor(options: WriterOptions) {
    this.options = options;
    this.maxTransactionBytes = options.maxTransactionBytes ?? 2 * 1024 * 1024;
    this.maxQueuedBytes = options.maxQueuedBytes ?? 256 * 1024 * 1024;
  }

  /** Why nothing can be written now. */
  health(): LogError | undefined {
    return this.failure;
  }

  /** Resolves when it is on disk. `frees`: it gives space back, so it is tried even while the disk is full. */
  submit<T>(bytes: number, stage: Stage<T>, options: { readonly frees?: boolean } = {}): Promise<T> {
    const frees = options.frees ?? false;
    return new Promise<T>((resolve, reject) => {
      if (this.closed) return reject(new LogError('BROKER_NOT_AVAILABLE', 'the log is closed'));
      if (this.failure !== undefined && !frees) return reject(this.failure);
      if (this.queuedBytes > 0 && this.queuedBytes + bytes > this.maxQueuedBytes) {
        const message = `${this.queuedBytes} bytes wait for the disk; at most ${this.maxQueuedBytes} may`;
        return reject(new LogError('THROTTLING_QUOTA_EXCEEDED', message));
      }
      this.queuedBytes += bytes;
      this.queue.push({
        bytes,
        frees,
        stage: (transaction) => {
          const answer = stage(transaction);
          return () => {
            try {
              resolve(answer());
            } catch (error) {
              reject(LogError.from(error));
            }
          };
        },
        fail: reject,
      });
      this.running ??= this.run();
    });
  }

  /** Writes what is queued, then refuses everything. */
  async close(): Promise<void> {
    this.closed = true;
    this.stopProbing?.();
    this.stopProbing = undefined;
    // A probe may hand over to what waited behind it.
    while (this.running !== undefined) await this.running;
  }

  private async run(): Promise<void> {
    let answers = nothing;
    while (this.queue.length > 0) {
      if (this.queuedBytes < this.maxTransactionBytes) {
        // One turn of the event loop: the answers to the last transaction bring new requests, and they go together.
        answers();
        answers = nothing;
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      const written = this.write(this.take());
      // With a whole transaction waiting, the disk goes first: what the answers set off is worked on meanwhile.
      setImmediate(answers);
      answers = await written;
    }
    this.running = undefined;
    answers();
  }

  private take(): Request[] {
    let bytes = 0;
    let count = 0;
    for (const request of this.queue) {
      if (count > 0 && (bytes + request.bytes > this.maxTransactionBytes || count === MAX_TRANSACTION_REQUESTS)) break;
      bytes += request.bytes;
      count++;
    }
    this.queuedBytes -= bytes;
    return this.queue.splice(0, count);
  }

  /** Resolves, when it is on disk and shows, with how to tell those who asked. */
  private async write(requests: readonly Request[]): Promise<() => void> {
    const transaction = new Transaction();
    const staged: { request: Request; answer: () => void }[] = [];
    for (const request of requests) {
      try {
        staged.push({ request, answer: request.stage(transaction) });
      } catch (error) {
        request.fail(LogError.from(error));
      }
    }
    try {
      for (const participant of transaction.participants.values()) participant.prepare(transaction);
      const fromReserve = staged.every(({ request }) => request.frees);
      if (transaction.mutations.length > 0) await this.options.store.commit(transaction.mutations, { fromReserve });
    } catch (error) {
      const failure = await this.fail(error);
      for (const { request } of staged) request.fail(failure);
      return nothing;
    }
    this.commits++;
    for (const { value } of transaction.mutations) this.committedBytes += value?.length ?? 0;
    for (const participant of transaction.participants.values()) participant.committed();
    this.freed ||= staged.some(({ request }) => request.frees);
    return () => {
      for (const { answer } of staged) answer();
    };
  }

  /** From here on the log only reads, until a probe succeeds. */
  private async fail(cause: unknown): Promise<LogError> {
    const freeBytes = await this.freeBytes();
    const failure = storageError(this.options.dir, cause, freeBytes);
    this.failure = failure;
    const refused = this.queue.filter((request) => !request.frees);
    this.queue = this.queue.filter((request) => request.frees);
    this.queuedBytes = this.queue.reduce((sum, request) => sum + request.bytes, 0);
    for (const request of refused) request.fail(failure);
    if (this.stopProbing === undefined && !this.closed) this.probe(freeBytes);
    return failure;
  }

  /** Infinite where the disk does not even say that: then the write tells what is wrong. */
  private freeBytes(): Promise<number> {
    return this.options.freeDiskBytes().catch(() => Number.POSITIVE_INFINITY);
  }

  private probe(freeBytes: number): void {
    const { clock, store } = this.options;
    let freeBefore = freeBytes;
    let lastTried = clock.now();
    const look = async (): Promise<void> => {
      const free = await this.freeBytes();
      const worthIt = this.freed || free >= freeBefore + PROBE_BYTES || clock.now() - lastTried >= PROBE_ANYWAY_MS;
      if (worthIt && this.running === undefined && !this.closed) {
        this.freed = false;
        freeBefore = free;
        lastTried = clock.now();
        this.running = store
          .commit([{ table: 'meta', key: PROBE_KEY, value: Buffer.alloc(PROBE_BYTES) }])
          .then(() => store.commit([{ table: 'meta', key: PROBE_KEY, value: undefined }]))
          .then(
            () => {
              this.failure = undefined;
            },
            (error: unknown) => {
              this.failure = storageError(this.options.dir, error, free);
            },
          );
        await this.running;
        this.running = this.queue.length > 0 ? this.run() : undefined;
      }
      if (this.failure !== undefined && !this.closed) next();
      else this.stopProbing = undefined;
    };
    const next = (): void => {
      this.stopProbing = clock.after(PROBE_INTERVAL_MS, () => void look());
    };
    if (!this.closed) next();
  }
}

/** ENOSPC, EDQUOT, EFBIG and MDB_MAP_FULL: there is no room. */
const NO_ROOM = /no space left|quota|file too large|MDB_MAP_FULL/i;

/** A write that fits only in part is an input/output error to lmdb: then the disk itself says why. */
const FULL_BELOW_BYTES = 1024 * 1024;

function storageError(dir: string, cause: unknown, freeBytes: number): LogError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const message =
    NO_ROOM.test(reason) || freeBytes < FULL_BELOW_BYTES
      ? `disk full: no space left for the log in ${dir}; it can be read, and writes resume when there is space`
      : `the log in ${dir} cannot write (${reason}); it can be read, and writes are tried again`;
  return new LogError('KAFKA_STORAGE_ERROR', message, { cause });
}
