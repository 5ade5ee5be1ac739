import { LogError } from 'distributedlog/protocol';
import { expect, it } from 'vitest';
import { describeWithKafka } from '../test-kafka.ts';
import { bytesOf, from, openProducer, openReads } from './test-fetch.ts';

describeWithKafka('reads from a broker', () => {
  it('answers what is there, with the room asked for before it, and where to go on', async () => {
    const { reads, topic } = await openReads();
    const { name, topicId } = await topic();
    const producer = await openProducer();
    await producer.send({ messages: ['a', 'b', 'c'].map((value) => ({ topic: name, value, partition: 0 })) });
    const result = await reads.read(from(topicId, 0, { maxWaitMs: 5_000 }));
    expect(result).toMatchObject({ logStart: 0, highWatermark: 3, lastStableOffset: 3, nextOffset: 3, aborted: [] });
    expect(bytesOf(result).length).toBe(result.batchBytes);
    expect(bytesOf(result).toString('latin1')).toContain('c');
  });

  it('waits at the end until something comes, and no longer than it was asked to', async () => {
    const { reads, topic } = await openReads();
    const { name, topicId } = await topic();
    const began = performance.now();
    const nothing = await reads.read(from(topicId, 0, { maxWaitMs: 300 }));
    expect(nothing).toMatchObject({ batchBytes: 0, nextOffset: 0, highWatermark: 0 });
    expect(performance.now() - began).toBeGreaterThanOrEqual(299);
    const waiting = reads.read(from(topicId, 0, { maxWaitMs: 20_000 }));
    const producer = await openProducer();
    await producer.send({ messages: [{ topic: name, value: 'late', partition: 0 }] });
    expect(bytesOf(await waiting).toString('latin1')).toContain('late');
  });

  it('outside the log says where the log begins and ends', async () => {
    const { reads, topic } = await openReads();
    const { name, topicId } = await topic();
    const producer = await openProducer();
    await producer.send({ messages: [{ topic: name, value: 'one', partition: 0 }] });
    const error: unknown = await reads.read(from(topicId, 5)).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(LogError);
    expect(error).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', topic: name, offset: 5, logStart: 0, logEnd: 1 });
  });

  it('of more than one byte wait for them, and take what there is when their time is over or they are aborted', async () => {
    const { reads, topic } = await openReads();
    const { name, topicId } = await topic();
    const producer = await openProducer();
    const send = (value: string) => producer.send({ messages: [{ topic: name, value, partition: 0 }] });
    await send('a');
    const short = await reads.read(from(topicId, 0, { minBytes: 10_000, maxWaitMs: 200 }));
    expect(short.nextOffset).toBe(1);
    const abort = new AbortController();
    const aborted = reads.read(from(topicId, 0, { minBytes: 10_000, maxWaitMs: 30_000, signal: abort.signal }));
    const long = reads.read(from(topicId, 0, { minBytes: 10_000, maxWaitMs: 30_000 }));
    await send('b');
    abort.abort();
    expect((await aborted).nextOffset).toBe(2);
    // Never for more than it takes.
    const small = await reads.read(from(topicId, 0, { minBytes: 10_000, maxBytes: 80, maxWaitMs: 30_000 }));
    expect(small.nextOffset).toBe(1);
    await send('c'.repeat(10_000));
    expect((await long).nextOffset).toBe(3);
  });

  it('of a topic that nobody knows, or of an epoch that is yet to come, say so', async () => {
    const { reads, topic } = await openReads();
    const { topicId } = await topic();
    const nobodys = '12345678-9abc-4def-8123-456789abcdef';
    await expect(reads.read(from(nobodys, 0, { maxWaitMs: 30_000 }))).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_ID',
    });
    await expect(reads.read(from(topicId, 0, { partition: 7 }))).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
    await expect(reads.read(from(topicId, 0, { leaderEpoch: 9 }))).rejects.toMatchObject({
      code: 'UNKNOWN_LEADER_EPOCH',
      retriable: true,
    });
  });

  it('that wait end when the topic is deleted, and when the log is closed', async () => {
    const { reads, topics, topic } = await openReads();
    const [gone, kept] = [await topic(), await topic()];
    const ofGone = reads.read(from(gone.topicId, 0, { maxWaitMs: 30_000 }));
    const ofKept = reads.read(from(kept.topicId, 0, { maxWaitMs: 30_000 }));
    const refused = expect(ofGone).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_ID' });
    await topics.delete(gone.name);
    await refused;
    const closed = expect(ofKept).rejects.toMatchObject({ code: 'BROKER_NOT_AVAILABLE' });
    await reads.close();
    await closed;
  });
});
