// Asks for the groups and for the one that is looked at, again and again while somebody looks, one question at a time. Knows nothing of what becomes of the answers.
import { type GroupDescription, type GroupSummary, LogError } from 'distributedlog';
import { sleep } from '../sleep.ts';

export interface GroupSource {
  listGroups(signal: AbortSignal): Promise<readonly GroupSummary[]>;
  describeGroup(groupId: string, signal: AbortSignal): Promise<GroupDescription>;
}
export interface GroupWatchHandlers {
  onGroups(groups: readonly GroupSummary[]): void;
  /** null: there is no such group. */
  onDescription(groupId: string, description: GroupDescription | null): void;
  /** null: answers come again. */
  onProblem(error: LogError | null): void;
}

/** How often the one in sight is asked for, ms. */
export const DESCRIBE_MS = 1000;
/** The list comes with every so many-th of them, */
const LIST_EVERY = 3;
/** and with it so many of the other groups, in turns, for their lag. */
const OTHERS_AT_ONCE = 4;

export class GroupWatch {
  readonly #source: GroupSource;
  readonly #handlers: GroupWatchHandlers;
  readonly #intervalMs: number;
  #shown: string | null = null;
  #others: readonly string[] = [];
  #nextOther = 0;
  #turns = 0;
  #running: AbortController | undefined;
  #failed = false;

  constructor(source: GroupSource, handlers: GroupWatchHandlers, intervalMs = DESCRIBE_MS) {
    this.#source = source;
    this.#handlers = handlers;
    this.#intervalMs = intervalMs;
  }

  /** Which group is looked at; it is asked for at once. */
  show(groupId: string | null): void {
    if (groupId === this.#shown) return;
    this.#shown = groupId;
    if (this.#running === undefined) return;
    this.setActive(false);
    this.setActive(true);
  }

  /** Nothing is asked while nobody looks. What is on its way then is dropped. */
  setActive(active: boolean): void {
    if (active === (this.#running !== undefined)) return;
    this.#running?.abort();
    this.#running = active ? new AbortController() : undefined;
    this.#turns = 0;
    if (this.#running !== undefined) void this.#run(this.#running.signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedMs = performance.now();
      try {
        await this.#turn(signal);
        if (!signal.aborted && this.#failed) {
          this.#failed = false;
          this.#handlers.onProblem(null);
        }
      } catch (error) {
        if (!signal.aborted) {
          this.#failed = true;
          this.#handlers.onProblem(LogError.from(error));
        }
      }
      this.#turns += 1;
      await sleep(Math.max(0, this.#intervalMs - (performance.now() - startedMs)), signal);
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    if (this.#shown !== null) await this.#describe(this.#shown, signal);
    if (signal.aborted || this.#turns % LIST_EVERY !== 0) return;
    const groups = await this.#source.listGroups(signal);
    if (signal.aborted) return;
    this.#handlers.onGroups(groups);
    this.#others = groups.map(({ groupId }) => groupId).filter((groupId) => groupId !== this.#shown);
    for (let n = Math.min(OTHERS_AT_ONCE, this.#others.length); n > 0 && !signal.aborted; n -= 1) {
      this.#nextOther = (this.#nextOther + 1) % this.#others.length;
      const other = this.#others[this.#nextOther];
      if (other !== undefined) await this.#describe(other, signal);
    }
  }

  async #describe(groupId: string, signal: AbortSignal): Promise<void> {
    let description: GroupDescription | null;
    try {
      description = await this.#source.describeGroup(groupId, signal);
    } catch (error) {
      if (LogError.from(error).code !== 'GROUP_ID_NOT_FOUND') throw error;
      description = null;
    }
    if (!signal.aborted) this.#handlers.onDescription(groupId, description);
  }
}
