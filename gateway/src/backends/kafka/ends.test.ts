import { type Clock, systemClock } from 'distributedlog/core';
import { LogError } from 'distributedlog/protocol';
import type { PartitionEnds, PartitionRef } from 'distributedlog/server';
import { ManualClock } from 'distributedlog/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { KnownEnds } from './ends.ts';
import { openScripted } from './test-kafka.ts';
import { type ScriptedCluster, scriptedCluster } from './test-scripted-broker.ts';

const topicId = '11111111-2222-4333-8444-555555555555';
const at = (partition: number): PartitionRef => ({ topicId, partition });
const ends = (highWatermark: number, more: Partial<PartitionEnds> = {}): PartitionEnds => ({
  logStart: 0,
  highWatermark,
  lastStableOffset: highWatermark,
  leaderEpoch: 0,
  ...more,
});

/** Time stands still until a test moves it, but connections have their own. */
class HeldClock implements Clock {
  readonly manual = new ManualClock();
  isHeld = false;
  now(): number {
    return this.isHeld ? this.manual.now() : systemClock.now();
  }
  after(ms: number, callback: () => void): () => void {
    return this.isHeld ? this.manual.after(ms, callback) : systemClock.after(ms, callback);
  }
}

function clusterLeads(scripted: ScriptedCluster, leaders: number[]): void {
  const [topic] = scripted.topics;
  if (topic !== undefined) topic.leaders = leaders;
}

async function open() {
  const clock = new HeldClock();
  const scripted = await scriptedCluster([{ name: 't', topicId, leaders: [0, 0, 0] }]);
  const cluster = await openScripted(scripted, {}, clock);
  clock.isHeld = true;
  const listed: number[][] = [];
  const waiting = new Map<number, Promise<void>>();
  /** Looks at it are not answered before that is called. */
  const waitsFor = (partition: number) => {
    let answerIt = () => {};
    waiting.set(partition, new Promise((resolve) => (answerIt = resolve)));
    return () => answerIt();
  };
  let answer: (partition: number) => PartitionEnds | LogError = () => ends(5);
  const known = new KnownEnds(cluster, {
    ends: async (refs) => {
      listed.push(refs.map(({ partition }) => partition));
      await Promise.all(refs.map(({ partition }) => waiting.get(partition)));
      return refs.map(({ partition }) => answer(partition));
    },
  });
  onTestFinished(() => known.close());
  const tick = (ms: number) => clock.manual.tick(ms);
  return { scripted, cluster, known, listed, tick, waitsFor, answers: (with_: typeof answer) => (answer = with_) };
}

describe('known ends', () => {
  it('of a partition that somebody asks for are looked at in the background, of all of them together', async () => {
    const { known, listed, tick } = await open();
    expect([known.ends(at(0)), known.ends(at(1))]).toEqual([undefined, undefined]);
    await tick(1_000);
    expect(listed).toEqual([[0, 1]]);
    expect(known.ends(at(0))).toEqual(ends(5));
    await tick(1_000);
    expect(listed).toEqual([
      [0, 1],
      [0, 1],
    ]);
  });

  it('of one broker are not held up by another one that does not answer', async () => {
    const { scripted, cluster, known, listed, tick, waitsFor } = await open();
    clusterLeads(scripted, [0, 0, 1]);
    await cluster.refresh();
    const answerIt = waitsFor(2);
    for (const partition of [0, 1, 2]) known.ends(at(partition));
    for (let i = 0; i < 3; i++) {
      await tick(1_000);
      for (const partition of [0, 1, 2]) known.ends(at(partition));
    }
    expect(known.ends(at(0))).toEqual(ends(5));
    // The others again and again, that one once until it is answered.
    expect(listed).toEqual([[0, 1], [2], [0, 1], [0, 1]]);
    answerIt();
    await tick(1_000);
    expect(known.ends(at(2))).toEqual(ends(5));
  });

  it('are not looked at while fetches bring them', async () => {
    const { known, listed, tick } = await open();
    known.ends(at(0));
    for (let i = 0; i < 20; i++) {
      known.saw(at(0), ends(i));
      await tick(250);
      expect(known.ends(at(0))?.highWatermark).toBe(i);
    }
    expect(listed).toEqual([]);
    await tick(2_000);
    expect(listed.length).toBeGreaterThan(0);
  });

  it('are looked at no more when nobody has asked for a while, and then nothing runs any more', async () => {
    const { known, listed, tick } = await open();
    known.ends(at(0));
    await tick(120_000);
    const looks = listed.length;
    expect(looks).toBeGreaterThan(20);
    expect(looks).toBeLessThan(40);
    await tick(120_000);
    expect(listed.length).toBe(looks);
    expect(known.ends(at(0))).toBeUndefined();
  });

  it('never go back, but for a new leader who has less', async () => {
    const { known } = await open();
    known.saw(at(0), ends(5));
    known.saw(at(0), ends(4, { logStart: 1, lastStableOffset: 4 }));
    expect(known.ends(at(0))).toEqual({ logStart: 1, highWatermark: 5, lastStableOffset: 5, leaderEpoch: 0 });
    known.saw(at(0), ends(3, { leaderEpoch: 1 }));
    known.saw(at(0), ends(9));
    expect(known.ends(at(0))).toEqual(ends(3, { leaderEpoch: 1 }));
  });

  it('go on with what was written, and the rest is looked at then', async () => {
    const { known, listed, answers } = await open();
    known.wrote(at(0), 3);
    expect(known.ends(at(0))).toBeUndefined();
    await known.look([at(0)]);
    expect(listed).toEqual([[0]]);
    known.wrote(at(0), 7);
    expect(known.ends(at(0))).toEqual(ends(7, { lastStableOffset: 5 }));
    answers(() => ends(7));
    expect(await known.look([at(0), at(1)])).toEqual([ends(7), ends(7)]);
    expect(listed).toEqual([[0], [0, 1]]);
    // Both are fresh now.
    await known.look([at(0), at(1)]);
    expect(listed.length).toBe(2);
  });

  it('that cannot be had are those seen before, or why; what does not exist has none', async () => {
    const { known, tick, answers } = await open();
    const refused = new LogError('NOT_LEADER_OR_FOLLOWER', 'no');
    await known.look([at(0)]);
    await tick(2_000);
    answers(() => refused);
    expect(await known.look([at(0), at(1)])).toEqual([ends(5), refused]);
    expect(known.ends(at(9))).toBeUndefined();
    known.saw(at(9), ends(1));
    expect(known.ends(at(9))).toBeUndefined();
  });

  it('of a topic that is gone are forgotten', async () => {
    const { scripted, cluster, known } = await open();
    known.saw(at(0), ends(5));
    scripted.topics.splice(0);
    await cluster.refresh();
    expect(known.ends(at(0))).toBeUndefined();
  });
});
