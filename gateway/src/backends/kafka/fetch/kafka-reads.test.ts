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
});
