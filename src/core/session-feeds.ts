// Which stream of data frames feeds which consumers: the lookup between a data frame, which says nothing of its receivers, and them.
import type { ServerFrameOf } from '../protocol/index.ts';

export interface Feed {
  readonly consumer: number;
  readonly topicId: string;
  readonly partition: number;
  readonly epoch: number;
}
interface Fed extends Feed {
  readonly stream: number;
}
const NONE: readonly Feed[] = [];

export class FeedTable {
  readonly #byStream = new Map<number, Fed[]>();
  readonly #byReceiver = new Map<string, Fed>();

  /** A consumer has one feed per partition: the new one replaces what it had, whatever the stream and epoch. */
  open({ stream, consumer, topicId, partition, epoch }: ServerFrameOf<'feed'>): void {
    this.#remove(key(consumer, topicId, partition));
    const fed: Fed = { stream, consumer, topicId, partition, epoch };
    this.#byReceiver.set(key(consumer, topicId, partition), fed);
    // A new array each time: a frame may be on its way through the old one.
    this.#byStream.set(stream, [...(this.#byStream.get(stream) ?? []), fed]);
  }

  /** Empty for a stream nobody listens to any more: frames may still be under way when a fetch is closed. */
  of(stream: number): readonly Feed[] {
    return this.#byStream.get(stream) ?? NONE;
  }

  /** Ends a feed; with `epoch`, only if it has not been replaced by a later one. */
  close(consumer: number, topicId: string, partition: number, epoch?: number): void {
    const fed = this.#byReceiver.get(key(consumer, topicId, partition));
    if (fed !== undefined && (epoch === undefined || fed.epoch <= epoch))
      this.#remove(key(consumer, topicId, partition));
  }

  closeConsumer(consumer: number): void {
    for (const [receiver, fed] of this.#byReceiver) if (fed.consumer === consumer) this.#remove(receiver);
  }

  clear(): void {
    this.#byStream.clear();
    this.#byReceiver.clear();
  }

  #remove(receiver: string): void {
    const fed = this.#byReceiver.get(receiver);
    if (fed === undefined) return;
    this.#byReceiver.delete(receiver);
    const left = (this.#byStream.get(fed.stream) ?? []).filter((other) => other !== fed);
    if (left.length === 0) this.#byStream.delete(fed.stream);
    else this.#byStream.set(fed.stream, left);
  }
}

function key(consumer: number, topicId: string, partition: number): string {
  return `${consumer} ${partition} ${topicId}`;
}
