import { type Clock, systemClock } from 'distributedlog/core';
import type { LogError } from 'distributedlog/protocol';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { KnownEnds } from '../ends.ts';
import { Offsets } from '../offsets.ts';
import type { KafkaLogOptions } from '../options.ts';
import { openScripted } from '../test-kafka.ts';
import { API, scriptedCluster } from '../test-scripted-broker.ts';
import { SkippingClock } from '../test-skipping-clock.ts';
import { KafkaReads } from './kafka-reads.ts';
import { from } from './test-fetch.ts';

const topicId = '11111111-2222-4333-8444-555555555555';
const topic = (...leaders: number[]) => ({ name: 't', topicId, leaders });
const OFFSET_OUT_OF_RANGE = 1;
const UNKNOWN_SERVER_ERROR = -1;

async function open(leaders: number[], options: Partial<KafkaLogOptions> = {}, clock: Clock = systemClock) {
  const scripted = await scriptedCluster([topic(...leaders)]);
  const cluster = await openScripted(scripted, options, clock);
  const ends = new KnownEnds(cluster, new Offsets(cluster));
  const reads = new KafkaReads(cluster, ends);
  onTestFinished(async () => {
    await reads.close();
    ends.close();
  });
  return { scripted, reads };
}
const outcomeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'answered',
    (error: LogError) => error,
  );

describe('reads in trouble', () => {
  it('leave the cluster alone, however many miss the same leader', async () => {
    const { scripted, reads } = await open([-1]);
    const looks = scripted.count(API.metadata);
    const all = Array.from({ length: 200 }, async (_, i) => {
      await new Promise((resolve) => setTimeout(resolve, i * 5));
      return outcomeOf(reads.read(from(topicId, 0)));
    });
    for (const outcome of await Promise.all(all)) expect(outcome).toMatchObject({ code: 'LEADER_NOT_AVAILABLE' });
    // Two seconds in all, and four looks a second.
    expect(scripted.count(API.metadata) - looks).toBeLessThan(15);
  });

  it('that are outside the log say where it begins and ends, or wait until that is known', async () => {
    const clock = new SkippingClock();
    const { scripted, reads } = await open([0], {}, clock);
    scripted.onFetch = () => ({ errorCode: OFFSET_OUT_OF_RANGE });
    scripted.onListOffsets = () => ({ offset: 7 });
    const known = { code: 'OFFSET_OUT_OF_RANGE', logStart: 7, logEnd: 7 };
    await expect(reads.read(from(topicId, 9))).rejects.toMatchObject(known);
    const lists = scripted.count(API.listOffsets);
    scripted.onListOffsets = () => 'silence';
    const unknown = outcomeOf(reads.read(from(topicId, 9, { maxWaitMs: 30_000 })));
    await vi.waitFor(() => expect(scripted.count(API.listOffsets)).toBeGreaterThan(lists));
    clock.advance(30_000);
    expect(await unknown).toBe('answered');
  });

  it('go on after an error that the broker did not expect, and are told that it may pass', async () => {
    const { scripted, reads } = await open([0]);
    let count = 0;
    scripted.onFetch = () => ({ errorCode: count++ < 2 ? UNKNOWN_SERVER_ERROR : 0 });
    expect(await outcomeOf(reads.read(from(topicId, 0)))).toBe('answered');
    count = Number.NEGATIVE_INFINITY;
    expect(await outcomeOf(reads.read(from(topicId, 0)))).toMatchObject({ retriable: true });
  });
});
