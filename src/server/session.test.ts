// The session from hello to the end, over the in-memory log.
import { describe, expect, it } from 'vitest';
import { encodeBatch, encodeProduceFrame, RecordReader, readBatchHeader } from '../protocol/index.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { SessionPeer } from '../testing/session-peer.ts';
import type { Limits } from './limits.ts';
import { memoryLog } from './memory-log.ts';

function setUp(options: { limits?: Partial<Limits>; autoCreateTopics?: boolean } = {}) {
  const clock = new ManualClock();
  const log = memoryLog({ clock, random: Math.random, autoCreateTopics: options.autoCreateTopics });
  const peer = new SessionPeer({ log, clock, limits: options.limits });
  return { clock, log, peer };
}
const text = (value: string) => new TextEncoder().encode(value);
const batchOf = (...values: string[]) =>
  encodeBatch(values.map((value) => ({ key: null, value: text(value), timestamp: 1_000 })));

describe('a session, end to end', () => {
  it('creates a topic, takes a batch, pushes it to a fetch and commits', async () => {
    const { peer } = setUp();
    const welcome = await peer.hello();
    expect(welcome.sessionId).toMatch(/^[0-9a-f]{32}$/);
    const meta = await peer.request({ type: 'metadata', id: 1, topics: ['t'], autoCreate: true });
    if (meta.type !== 'metadata') throw new Error(meta.message);
    const topicId = meta.topics[0]?.topicId ?? '';
    peer.send({
      type: 'fetch',
      consumer: 1,
      isolation: 'read_uncommitted',
      minBytes: 1,
      maxWaitMs: 500,
      maxPartitionBytes: 1 << 20,
      limit: 1 << 20,
      partitions: [{ topicId, partition: 0, epoch: 1, offset: 0, limit: 1 << 20 }],
    });
    peer.session.onBinary(encodeProduceFrame(2, topicId, 0, batchOf('a', 'b')));
    expect(await peer.frame('produce')).toMatchObject({ id: 2, baseOffset: 0 });
    await peer.until(() => peer.data.length > 0);
    const feed = await peer.frame('feed');
    const [data] = peer.data;
    if (data === undefined) throw new Error('no data');
    expect(data).toMatchObject({ stream: feed.stream, topicId, partition: 0, nextOffset: 2, highWatermark: 2 });
    const header = readBatchHeader(data.batches, 0);
    if (header === undefined) throw new Error('no batch');
    const reader = new RecordReader('t', 0, data.batches, 0, header);
    expect(reader.next(1)?.value).toEqual(text('b'));
    expect(
      await peer.request({ type: 'commit', id: 3, groupId: 'g', offsets: [{ topicId, partition: 0, offset: 2 }] }),
    ).toMatchObject({ type: 'commit', partitions: [{ topicId, partition: 0 }] });
    expect(
      await peer.request({ type: 'committed', id: 4, groupId: 'g', partitions: [{ topicId, partition: 0 }] }),
    ).toMatchObject({ partitions: [{ offset: 2, metadata: '' }] });
  });
});
