// The names of the topics a session has met, by id: for messages and metrics only. Knows nothing of the log.
import type { TopicInfo } from '../protocol/index.ts';

export class TopicNames {
  readonly #byId = new Map<string, string>();

  learn(topics: readonly Pick<TopicInfo, 'name' | 'topicId'>[]): void {
    for (const { topicId, name } of topics) this.#byId.set(topicId, name);
  }

  /** The id itself where the name is not known. */
  nameOf(topicId: string): string {
    return this.#byId.get(topicId) ?? topicId;
  }
}
