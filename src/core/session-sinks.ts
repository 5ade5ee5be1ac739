// The consumers on a socket, and which frames are for which of them. Knows nothing of the socket.
import type { DataFrame, ServerFrameOf } from '../protocol/index.ts';
import type { FetchSink } from './session.ts';
import { FeedTable } from './session-feeds.ts';

export class Sinks {
  readonly #sinks = new Map<number, FetchSink>();
  readonly #feeds = new FeedTable();
  /** Attached and not yet told whether the connection is live. */
  readonly #untold = new Set<FetchSink>();
  #next = 0;

  /** `liveOn`: the log's id while live. Returns the consumer's number. */
  attach(sink: FetchSink, liveOn: () => string | undefined): number {
    const consumer = this.#next++;
    this.#sinks.set(consumer, sink);
    this.#untold.add(sink);
    // Not at once: the caller has no channel yet.
    queueMicrotask(() => {
      if (!this.#untold.delete(sink)) return;
      const logId = liveOn();
      if (logId !== undefined) guard(() => sink.onLive(logId));
    });
    return consumer;
  }

  detach(consumer: number): void {
    const sink = this.#sinks.get(consumer);
    if (sink === undefined) return;
    this.#sinks.delete(consumer);
    this.#untold.delete(sink);
    this.#feeds.closeConsumer(consumer);
  }

  has(consumer: number): boolean {
    return this.#sinks.has(consumer);
  }

  onLive(logId: string): void {
    this.#untold.clear();
    this.#each((sink) => sink.onLive(logId));
  }
  onDown(): void {
    this.#feeds.clear();
    this.#each((sink) => sink.onDown());
  }
  onHide(): void {
    this.#each((sink) => sink.onHide());
  }
  onThrottled(delayMs: number): void {
    this.#each((sink) => sink.onThrottled(delayMs));
  }
  onFeed(frame: ServerFrameOf<'feed'>): void {
    this.#feeds.open(frame);
  }
  onData(frame: DataFrame): void {
    for (const { consumer, epoch } of this.#feeds.of(frame.stream)) {
      const sink = this.#sinks.get(consumer);
      if (sink !== undefined) guard(() => sink.onData(frame, epoch));
    }
  }
  onFetchError(frame: ServerFrameOf<'fetchError'>): void {
    this.#feeds.close(frame.consumer, frame.topicId, frame.partition, frame.epoch);
    this.#to(frame.consumer, (sink) => sink.onFetchError(frame));
  }
  onAssignment(frame: ServerFrameOf<'assignment'>): void {
    this.#to(frame.consumer, (sink) => sink.onAssignment(frame));
  }
  onFenced(frame: ServerFrameOf<'fenced'>): void {
    this.#to(frame.consumer, (sink) => sink.onFenced(frame));
  }
  closeFeed(consumer: number, topicId: string, partition: number): void {
    this.#feeds.close(consumer, topicId, partition);
  }
  closeFeeds(consumer: number): void {
    this.#feeds.closeConsumer(consumer);
  }

  /** For the answer to a heartbeat: whole ms, of those who are at work. */
  busy(): { consumer: number; busyMs: number }[] {
    const busy: { consumer: number; busyMs: number }[] = [];
    for (const [consumer, sink] of this.#sinks) {
      guard(() => {
        const busyMs = sink.busyMs();
        if (busyMs !== undefined) busy.push({ consumer, busyMs: Math.max(0, Math.round(busyMs)) });
      });
    }
    return busy;
  }

  #each(use: (sink: FetchSink) => void): void {
    for (const sink of [...this.#sinks.values()]) guard(() => use(sink));
  }
  #to(consumer: number, use: (sink: FetchSink) => void): void {
    const sink = this.#sinks.get(consumer);
    if (sink !== undefined) guard(() => use(sink));
  }
}

/** What a sink throws is a bug, but not one of the socket: it surfaces as an uncaught error while frames go on being read. */
function guard(call: () => void): void {
  try {
    call();
  } catch (error) {
    reportUncaught(error);
  }
}

export function reportUncaught(error: unknown): void {
  setTimeout(() => {
    throw error;
  });
}
