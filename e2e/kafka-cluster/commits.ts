// Looks at what a group has committed, again and again, and says so when a commit went back. Knows nothing of who commits.
import { setTimeout as pause } from 'node:timers/promises';
import { type Client, LogError } from 'distributedlog';

const EVERY_MS = 200;

export class CommitWatch {
  looks = 0;
  readonly #highest = new Map<number, number>();
  readonly #stop = new AbortController();
  readonly #watching: Promise<void>;

  /** `wrong` hears what is not allowed; while no broker or gateway answers there is nothing to see. */
  constructor(client: Client, group: string, wrong: (error: Error) => void) {
    this.#watching = this.#watch(client, group).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) wrong(LogError.from(error));
    });
  }

  async #watch(client: Client, group: string): Promise<void> {
    const { signal } = this.#stop;
    const admin = client.admin();
    for (;;) {
      try {
        const { offsets } = await admin.describeGroup(group, { signal });
        for (const { partition, committed } of offsets) {
          const before = this.#highest.get(partition) ?? -1;
          const now = committed ?? -1;
          if (now < before) throw new Error(`the commit of p${partition} went back from ${before} to ${now}`);
          this.#highest.set(partition, now);
        }
        this.looks += 1;
      } catch (error) {
        if (!(error instanceof LogError) || !error.retriable) throw error;
      }
      await pause(EVERY_MS, undefined, { signal });
    }
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }
}
