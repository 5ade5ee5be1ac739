// A broker's side of Fetch in memory, as Kafka does it: sessions, long polls, sizes, answers cut anywhere. For tests of those who ask.
import type { Clock } from 'distributedlog/core';
import { encodeBatch, LogError } from 'distributedlog/protocol';
import type { PartitionRef } from 'distributedlog/server';
import type { FetchAnswer, FetchedPartition, FetchPartition, FetchRequest } from './fetch-api.ts';
import { epochAfter, FINAL_EPOCH, keyOf, NO_SESSION, type SessionRequest } from './fetch-session.ts';

/** Which partitions a request asks for in the end, or an error code (KIP-227). */
export class ModelSessions {
  readonly #sessions = new Map<number, { epoch: number; readonly partitions: Map<string, FetchPartition> }>();
  #nextId = 1;
  hasRoom = true;

  answer({ sessionId, sessionEpoch, partitions, forgotten }: SessionRequest) {
    if (sessionEpoch === FINAL_EPOCH) {
      this.#sessions.delete(sessionId);
      return { errorCode: 0, sessionId: NO_SESSION, wanted: byKey(partitions) };
    }
    if (sessionEpoch === 0) {
      this.#sessions.delete(sessionId);
      const all = byKey(partitions);
      if (!this.hasRoom) return { errorCode: 0, sessionId: NO_SESSION, wanted: all };
      const id = this.#nextId++;
      this.#sessions.set(id, { epoch: 1, partitions: all });
      return { errorCode: 0, sessionId: id, wanted: new Map(all) };
    }
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return { errorCode: 70, sessionId: 0, wanted: undefined };
    if (session.epoch !== sessionEpoch) return { errorCode: 71, sessionId: 0, wanted: undefined };
    session.epoch = epochAfter(session.epoch);
    for (const ref of forgotten) session.partitions.delete(keyOf(ref));
    for (const one of partitions) session.partitions.set(keyOf(one), one);
    return { errorCode: 0, sessionId, wanted: new Map(session.partitions) };
  }
  evict(): void {
    this.#sessions.clear();
  }
  get size(): number {
    return this.#sessions.size;
  }
}

export function byKey(partitions: readonly FetchPartition[]): Map<string, FetchPartition> {
  return new Map(partitions.map((one) => [keyOf(one), one]));
}

export interface ModelBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly bytes: Uint8Array;
}
interface Waiting {
  readonly request: FetchRequest;
  readonly connection: string;
  /** Answers if there is enough, or anyway. */
  look(anyway: boolean): void;
  fail(error: LogError): void;
}

export class ModelBroker {
  readonly sessions = new ModelSessions();
  readonly requests: FetchRequest[] = [];
  readonly #clock: Clock;
  readonly #logs = new Map<string, ModelBatch[]>();
  readonly #ends = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();
  readonly #busy = new Set<string>();
  /** Every request is answered with this error code and nothing else. */
  refusal: number | undefined;
  /** Requests that are to be lost on their way. */
  losing = 0;
  /** What was last said of each partition in a session: it is not said again. */
  readonly #told = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  log(ref: PartitionRef): readonly ModelBatch[] {
    return this.#logs.get(keyOf(ref)) ?? [];
  }
  endOf(ref: PartitionRef): number {
    return this.#ends.get(keyOf(ref)) ?? 0;
  }

  /** `hole`: offsets before it that no record has. */
  append(ref: PartitionRef, records: number, valueBytes: number, hole = 0): void {
    const key = keyOf(ref);
    const baseOffset = this.endOf(ref) + hole;
    const record = { key: null, value: new Uint8Array(valueBytes), timestamp: 0 };
    const bytes = encodeBatch(new Array<typeof record>(records).fill(record), { baseOffset });
    const lastOffset = baseOffset + records - 1;
    this.#logs.set(key, [...(this.#logs.get(key) ?? []), { baseOffset, lastOffset, bytes }]);
    this.#ends.set(key, lastOffset + 1);
    for (const waiting of [...this.#waiting]) waiting.look(false);
  }

  /** Connections break: nobody knows what became of what is under way. */
  fail(): void {
    for (const waiting of [...this.#waiting])
      waiting.fail(new LogError('BROKER_NOT_AVAILABLE', 'The answer was lost.'));
  }

  send(connection: string, request: FetchRequest): Promise<FetchAnswer> {
    if (this.#busy.has(connection)) throw new Error(`Two requests at once on ${connection}.`);
    const refs = request.partitions.map(keyOf);
    if (new Set(refs).size < refs.length) throw new Error('A partition twice in one request.');
    if (this.losing > 0) {
      this.losing--;
      return Promise.reject(new LogError('BROKER_NOT_AVAILABLE', 'The request was lost.'));
    }
    this.requests.push(request);
    this.#busy.add(connection);
    if (this.refusal !== undefined) {
      this.#busy.delete(connection);
      const nothing = { throttleTimeMs: 0, sessionId: 0, partitions: [], recordBytes: 0 };
      return Promise.resolve({ ...nothing, errorCode: this.refusal });
    }
    return new Promise((resolve, reject) => {
      const { errorCode, sessionId, wanted } = this.sessions.answer(request);
      const done = () => {
        this.#waiting.delete(waiting);
        this.#busy.delete(connection);
        cancel();
      };
      const answer = (partitions: FetchedPartition[]) => {
        done();
        const sizes = partitions.map(({ buffer }) => (buffer === undefined ? 0 : buffer.length - request.headroom));
        const recordBytes = sizes.reduce((a, b) => a + b, 0);
        // Later than asked, as over a network.
        setImmediate(() => resolve({ throttleTimeMs: 0, errorCode, sessionId, partitions, recordBytes }));
      };
      const waiting: Waiting = {
        request,
        connection,
        look: (anyway) => {
          if (wanted === undefined) return answer([]);
          const partitions = this.#read(request, wanted, sessionId);
          const available = [...wanted.values()].map((one) => this.#available(one)).reduce((a, b) => a + b, 0);
          if (anyway || available >= request.minBytes) answer(partitions());
        },
        fail: (error) => {
          done();
          setImmediate(() => reject(error));
        },
      };
      this.#waiting.add(waiting);
      const cancel = this.#clock.after(request.maxWaitMs, () => waiting.look(true));
      waiting.look(wanted === undefined || request.maxWaitMs === 0);
    });
  }

  #available({ topicId, partition, offset }: FetchPartition): number {
    const batches = this.log({ topicId, partition }).filter(({ lastOffset }) => lastOffset >= offset);
    return batches.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  #read(request: FetchRequest, wanted: ReadonlyMap<string, FetchPartition>, sessionId: number) {
    return () => {
      let left = request.maxBytes;
      let atLeastOne = true;
      return [...wanted.values()].flatMap((one): FetchedPartition[] => {
        const { topicId, partition, offset, maxBytes } = one;
        const batches = this.log(one).filter(({ lastOffset }) => lastOffset >= offset);
        const room = Math.min(maxBytes, Math.max(0, left));
        const [first] = batches;
        const all = Buffer.concat(batches.map(({ bytes }) => bytes));
        // The first batch whole if it is the first of the answer, else nothing where it does not fit; then cut anywhere.
        const fits = first !== undefined && (atLeastOne || first.bytes.length <= room);
        const records = fits ? all.subarray(0, Math.max(room, first.bytes.length)) : undefined;
        if (records !== undefined) {
          left -= records.length;
          atLeastOne = false;
        }
        const end = this.endOf(one);
        const toldKey = `${sessionId}/${keyOf(one)}`;
        if (sessionId !== NO_SESSION && request.sessionEpoch > 0 && records === undefined) {
          if (this.#told.get(toldKey) === end) return [];
        }
        this.#told.set(toldKey, end);
        const buffer = records === undefined ? undefined : new Uint8Array(request.headroom + records.length);
        if (records !== undefined) buffer?.set(records, request.headroom);
        const ends = { highWatermark: end, lastStableOffset: end, logStart: 0 };
        return [{ topicId, partition, errorCode: 0, ...ends, aborted: [], buffer }];
      });
    };
  }
}
