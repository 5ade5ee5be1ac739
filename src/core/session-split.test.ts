// Cutting long requests, and putting answers together.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PROTOCOL_LIMITS, parseClientFrame } from '../protocol/index.ts';
import { mergeReplies, splitFetchFrame, splitRequest } from './session-split.ts';

const topicId = '00000000-0000-4000-8000-000000000001';
const bytes = (frame: unknown) => new TextEncoder().encode(JSON.stringify(frame)).length;

describe('a request that is too long for a frame', () => {
  it('is cut into frames that a gateway takes, with every item once and in order', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 1_500 }), { maxLength: 600 }), (metadata) => {
        const offsets = metadata.map((text, partition) => ({ topicId, partition, offset: partition, metadata: text }));
        const parts = splitRequest({ type: 'commit', groupId: 'g', offsets }, PROTOCOL_LIMITS.maxTextFrameBytes);
        for (const part of parts) {
          const frame = { ...part, id: 2 ** 31 - 1 };
          expect(bytes(frame)).toBeLessThanOrEqual(PROTOCOL_LIMITS.maxTextFrameBytes);
          expect(parseClientFrame(JSON.stringify(frame)).type).toBe('commit');
        }
        expect(parts.flatMap((part) => ('offsets' in part ? part.offsets : []))).toEqual(offsets);
      }),
      { numRuns: 30 },
    );
  });

  it('is left whole when it fits', () => {
    const frame = { type: 'metadata' as const, topics: ['a', 'b'] };
    expect(splitRequest(frame, 1_000)).toEqual([frame]);
    expect(splitRequest({ type: 'metadata', topics: [] }, 1_000)).toEqual([{ type: 'metadata', topics: [] }]);
  });

  it('is refused when one item alone is too long, saying how long', () => {
    const offsets = [{ topicId, partition: 0, offset: 1, metadata: 'é'.repeat(1_000) }];
    expect(() => splitRequest({ type: 'commit', groupId: 'g', offsets }, 1_000)).toThrow(
      /2\d{3} bytes, allowed are 1000/,
    );
    expect(() => splitRequest({ type: 'createTopic', name: 'x'.repeat(1_000) }, 500)).toThrow(/allowed are 500/);
  });

  it('is answered as if it had been one', () => {
    const topic = (name: string) => ({ name, topicId, internal: false, partitions: [] });
    const error = { topic: 'x', code: 'UNKNOWN_TOPIC_OR_PARTITION', message: 'no' };
    expect(
      mergeReplies([
        { type: 'metadata', id: 1, topics: [topic('a')] },
        { type: 'metadata', id: 2, topics: [topic('b')], errors: [error] },
        { type: 'metadata', id: 3, topics: [topic('c')] },
      ]),
    ).toEqual({ type: 'metadata', id: 1, topics: ['a', 'b', 'c'].map(topic), errors: [error] });
    const one = { topicId, partition: 0 };
    const two = { topicId, partition: 1 };
    for (const type of ['commit', 'committed', 'listOffsets'] as const) {
      const reply = (part: typeof one) =>
        type === 'commit'
          ? { type, id: 1, partitions: [part] }
          : type === 'committed'
            ? { type, id: 1, partitions: [{ ...part, offset: 1, metadata: '' }] }
            : { type, id: 1, partitions: [{ ...part, offset: 1 }] };
      expect(mergeReplies([reply(one), reply(two)])).toMatchObject({ type, partitions: [one, two] });
    }
  });
});

describe('a fetch frame that is too long', () => {
  it('is cut by partitions', () => {
    const partitions = Array.from({ length: 600 }, (_, partition) => ({ topicId, partition, epoch: 1, limit: 10 }));
    const lists = splitFetchFrame({ type: 'credit', limit: 5, partitions }).map((part) => part.partitions ?? []);
    expect(lists.map((list) => list.length)).toEqual([256, 256, 88]);
    expect(lists.flat()).toEqual(partitions);
    expect(splitFetchFrame({ type: 'fetchClose' })).toEqual([{ type: 'fetchClose' }]);
    expect(splitFetchFrame({ type: 'credit', limit: 5, partitions: [] })).toEqual([
      { type: 'credit', limit: 5, partitions: [] },
    ]);
  });
});
