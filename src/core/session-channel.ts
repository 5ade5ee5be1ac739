// What a consumer sends over the session, and when a partition it closed stops being fed. Knows nothing of the socket.
import type { ClientFrameOf } from '../protocol/index.ts';
import type { FetchChannel } from './session.ts';
import type { Sinks } from './session-sinks.ts';
import { splitFetchFrame } from './session-split.ts';

export interface ChannelWire {
  isLive(): boolean;
  send(frame: ClientFrameOf<'fetch' | 'credit' | 'fetchClose' | 'owned'>): void;
  /** `onAnswer` is called between what the gateway sent before the answer and what it sent after it; never, if the connection goes down. */
  ping(onAnswer: () => void): void;
}

export function fetchChannel(consumer: number, sinks: Sinks, wire: ChannelWire): FetchChannel {
  // A stream may feed other consumers too, so a closed partition must be taken off it; but not at once: what is still on its way was
  // counted against this consumer's credit, so the consumer must count it as well. The answer to a ping tells the two apart.
  const closing = new Map<string, { readonly topicId: string; readonly partition: number }>();
  let asking = false;

  const endFeeds = (): void => {
    asking = false;
    const ended = [...closing];
    wire.ping(() => {
      for (const [key, at] of ended) {
        // Opened again meanwhile: the feed to come replaces the old one.
        if (closing.get(key) !== at) continue;
        closing.delete(key);
        sinks.closeFeed(consumer, at.topicId, at.partition);
      }
    });
  };

  return {
    consumer,
    send: (frame) => {
      if (!wire.isLive() || !sinks.has(consumer)) return;
      for (const part of splitFetchFrame(frame)) wire.send({ ...part, consumer });
      if (frame.type === 'fetch') for (const at of frame.partitions) closing.delete(keyOf(at));
      if (frame.type !== 'fetchClose') return;
      if (frame.partitions === undefined) {
        closing.clear();
        sinks.closeFeeds(consumer);
        return;
      }
      for (const { topicId, partition } of frame.partitions) {
        closing.set(keyOf({ topicId, partition }), { topicId, partition });
      }
      // One ping for all that is closed in one go.
      if (!asking) queueMicrotask(endFeeds);
      asking = true;
    },
    detach: () => {
      closing.clear();
      sinks.detach(consumer);
    },
  };
}

function keyOf({ topicId, partition }: { readonly topicId: string; readonly partition: number }): string {
  return `${partition} ${topicId}`;
}
