// The two requests that melt together while they wait for their turn: seeks and commits, of which the newest wins. Knows nothing of rates.
import type { ClientFrameOf } from '../protocol/index.ts';
import type { Answers } from './answers.ts';
import type { Log, PartitionRef } from './log.ts';
import { type PartitionToOpen, partitionKey } from './reader.ts';
import type { RequestTask } from './request-queue.ts';
import { commitAll } from './requests.ts';

/** Opens and seeks of one consumer; of each partition only the highest epoch is left. */
export class FetchTask implements RequestTask {
  readonly key: string;
  readonly #open: (frame: ClientFrameOf<'fetch'>) => void;
  /** One frame for each set of terms the client sent, in order. */
  #frames: ClientFrameOf<'fetch'>[];

  constructor(frame: ClientFrameOf<'fetch'>, open: (frame: ClientFrameOf<'fetch'>) => void) {
    this.key = FetchTask.keyOf(frame.consumer);
    this.#open = open;
    this.#frames = [frame];
  }

  static keyOf(consumer: number): string {
    return `fetch ${consumer}`;
  }

  run(): void {
    for (const frame of this.#frames) this.#open(frame);
  }

  absorb(later: RequestTask): boolean {
    if (!(later instanceof FetchTask)) return false;
    const before = this.#size();
    for (const frame of later.#frames) {
      const epochs = new Map(frame.partitions.map((spec) => [partitionKey(spec), spec.epoch]));
      this.#keep((spec) => (epochs.get(partitionKey(spec)) ?? -1) <= spec.epoch);
      if (frame.partitions.length > 0) this.#frames.push(frame);
    }
    return this.#size() > before;
  }

  /** Credit for what is not open yet must not be lost. */
  credit(frame: ClientFrameOf<'credit'>): void {
    const limits = new Map(frame.partitions.map((spec) => [`${partitionKey(spec)}@${spec.epoch}`, spec.limit]));
    this.#frames = this.#frames.map((open) => ({
      ...open,
      limit: Math.max(open.limit, frame.limit ?? 0),
      partitions: open.partitions.map((spec) => ({
        ...spec,
        limit: Math.max(spec.limit, limits.get(`${partitionKey(spec)}@${spec.epoch}`) ?? 0),
      })),
    }));
  }

  /** Forgets partitions that are closed again; without any, all. */
  drop(partitions: readonly PartitionRef[] | undefined): void {
    const keys = partitions && new Set(partitions.map(partitionKey));
    this.#keep((spec) => keys !== undefined && !keys.has(partitionKey(spec)));
  }

  #size(): number {
    let partitions = 0;
    for (const frame of this.#frames) partitions += frame.partitions.length;
    return partitions;
  }

  #keep(wanted: (spec: PartitionToOpen) => boolean): void {
    this.#frames = this.#frames
      .map((frame) => ({ ...frame, partitions: frame.partitions.filter(wanted) }))
      .filter((frame) => frame.partitions.length > 0);
  }
}

/** Commits of one member, in the order they came. */
export class CommitTask implements RequestTask {
  readonly key: string;
  readonly #frames: ClientFrameOf<'commit'>[];
  readonly #log: Log;
  readonly #answers: Answers;

  constructor(frame: ClientFrameOf<'commit'>, log: Log, answers: Answers) {
    this.key = `commit ${JSON.stringify([frame.groupId, frame.memberId, frame.memberEpoch])}`;
    this.#frames = [frame];
    this.#log = log;
    this.#answers = answers;
  }

  async run(): Promise<void> {
    const startedAt = this.#answers.now();
    try {
      for (const reply of await commitAll(this.#frames, this.#log)) this.#answers.answer('commit', reply, startedAt);
    } catch (error) {
      for (const { id } of this.#frames) this.#answers.refuse('commit', id, error, startedAt);
    }
  }

  /** Each one wants its answer, so each one counts as waiting. */
  absorb(later: RequestTask): boolean {
    if (later instanceof CommitTask) this.#frames.push(...later.#frames);
    return later instanceof CommitTask;
  }
}
