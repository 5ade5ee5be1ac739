import { type Clock, systemClock } from 'distributedlog/core';
import { encodeBatch, type LogError } from 'distributedlog/protocol';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Appends } from './appends.ts';
import { Cluster } from './cluster.ts';
import { type KafkaLogOptions, parseKafkaLogOptions } from './options.ts';
import {
  type Outcome,
  type Produced,
  type ProduceOutcome,
  type ScriptedCluster,
  scriptedCluster,
} from './test-scripted-broker.ts';

const topicId = '11111111-2222-4333-8444-555555555555';
const topic = (...leaders: number[]) => ({ name: 't', topicId, leaders });
const at = (partition = 0) => ({ topicId, partition });
const bytes = (text: string) => new TextEncoder().encode(text);
let sequence = 0;
const numbered = (value: string) =>
  encodeBatch([{ key: null, value: bytes(value), timestamp: 1 }], {
    producerId: 7,
    producerEpoch: 0,
    baseSequence: sequence++,
  });
const unnumbered = (value: string) => encodeBatch([{ key: null, value: bytes(value), timestamp: 1 }], {});

const NOT_LEADER = 6;
const TIMED_OUT = 7;
const NOT_ENOUGH_REPLICAS = 19;
const NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20;
const TOPIC_AUTHORIZATION_FAILED = 29;
const DUPLICATE_SEQUENCE_NUMBER = 46;

/** Backoffs take a tenth of their time. */
const hurried: Clock = {
  now: () => systemClock.now(),
  after: (ms, callback) => systemClock.after(ms / 10, callback),
};

async function open(scripted: ScriptedCluster, options: Partial<KafkaLogOptions> = {}, maxWaitingBytes?: number) {
  const settings = parseKafkaLogOptions({ brokers: scripted.addresses, ...options });
  const cluster = new Cluster(settings, hurried, Math.random);
  const written: [number, number][] = [];
  const appends = new Appends(cluster, ({ partition }, end) => written.push([partition, end]), maxWaitingBytes);
  onTestFinished(() => {
    appends.close();
    cluster.close();
  });
  await cluster.refresh();
  return { cluster, appends, written };
}
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'written',
    (error: LogError) => error.code,
  );
/** Each time it is asked, the next outcome; the last one for ever. */
function script(scripted: ScriptedCluster, ...outcomes: Outcome<ProduceOutcome>[]): Produced[] {
  const seen: Produced[] = [];
  scripted.onProduce = (produced) => {
    seen.push(produced);
    return outcomes[Math.min(seen.length, outcomes.length) - 1] ?? {};
  };
  return seen;
}

describe('appends', () => {
  it('go as the bytes they came as, and resolve with what the broker says', async () => {
    const scripted = await scriptedCluster([topic(0)]);
    const seen = script(scripted, { baseOffset: 41 });
    const { appends, written } = await open(scripted);
    const batch = numbered('a');
    expect(await appends.append(at(), batch)).toEqual({ baseOffset: 41, logAppendTime: -1, logStart: 0 });
    expect(seen.map((one) => Uint8Array.from(one.batch))).toEqual([batch]);
    expect(written).toEqual([[0, 42]]);
  });

  it('of several partitions that wait share a request; of one partition they go one after the other', async () => {
    const scripted = await scriptedCluster([topic(0, 0, 0, 0)]);
    const release: (() => void)[] = [];
    scripted.onProduce = () => new Promise((resolve) => release.push(() => resolve({})));
    const { appends } = await open(scripted);
    const all = [appends.append(at(0), numbered('a')), appends.append(at(0), numbered('b'))];
    await vi.waitFor(() => expect(release.length).toBe(1));
    // A second connection takes what comes next, and then both are busy.
    all.push(appends.append(at(1), numbered('c')));
    await vi.waitFor(() => expect(release.length).toBe(2));
    all.push(...[1, 2, 3].map((partition) => appends.append(at(partition), numbered('d'))));
    const settled = Promise.all(all);
    const releasing = setInterval(() => release.shift()?.(), 1);
    await settled;
    clearInterval(releasing);
    const partitions = scripted.produceRequests.map((request) => request.map(({ partition }) => partition));
    expect(partitions.slice(0, 2)).toEqual([[0], [1]]);
    expect(partitions.slice(2).some((request) => request.length > 1)).toBe(true);
    for (const request of partitions) expect(new Set(request).size).toBe(request.length);
  });

  it('follow the partition to its new leader: the same bytes, before anything else of the partition', async () => {
    const scripted = await scriptedCluster([topic(0)], 2);
    const seen: Produced[] = [];
    scripted.onProduce = (produced) => {
      seen.push(produced);
      if (produced.broker === 1) return { baseOffset: seen.length };
      scripted.topics[0] = topic(1);
      return { errorCode: NOT_LEADER };
    };
    const { appends } = await open(scripted);
    const [first, second] = [unnumbered('a'), unnumbered('b')];
    await Promise.all([appends.append(at(), first), appends.append(at(), second)]);
    const at0 = seen.filter(({ broker }) => broker === 0).map(({ batch }) => Uint8Array.from(batch));
    const at1 = seen.filter(({ broker }) => broker === 1).map(({ batch }) => Uint8Array.from(batch));
    // Until the cluster was looked at anew, the old leader may be asked again.
    expect(new Set(at0.map((batch) => batch.join()))).toEqual(new Set([first.join()]));
    expect(at1).toEqual([first, second]);
  });

  it('that may have been written go again with a producer id, and without one are told to be in doubt', async () => {
    for (const outcome of [
      'cut',
      { errorCode: TIMED_OUT, baseOffset: 3 },
      { errorCode: NOT_LEADER, baseOffset: 3 },
    ] as const) {
      const scripted = await scriptedCluster([topic(0)]);
      const { appends } = await open(scripted);
      const seen = script(scripted, outcome, { baseOffset: 5 });
      expect((await appends.append(at(), numbered('a'))).baseOffset).toBe(5);
      expect(seen.length).toBe(2);
      expect(seen[1]?.batch).toEqual(seen[0]?.batch);
      const again = script(scripted, outcome, { baseOffset: 6 });
      expect(await codeOf(appends.append(at(), unnumbered('b')))).toBe('REQUEST_TIMED_OUT');
      expect(again.length).toBe(1);
      expect((await appends.append(at(), unnumbered('c'))).baseOffset).toBe(6);
    }
  });

  it('that were certainly not written go again, with a producer id or without', async () => {
    const scripted = await scriptedCluster([topic(0)]);
    const { appends } = await open(scripted);
    for (const batch of [numbered('a'), unnumbered('b')]) {
      const seen = script(scripted, { errorCode: NOT_ENOUGH_REPLICAS }, { errorCode: NOT_LEADER }, { baseOffset: 9 });
      expect((await appends.append(at(), batch)).baseOffset).toBe(9);
      expect(seen.length).toBe(3);
    }
  });

  it('wait for a broker that is not there, and go when it is', async () => {
    const scripted = await scriptedCluster([topic(0)]);
    const { appends } = await open(scripted);
    await scripted.down(0);
    const appended = appends.append(at(), unnumbered('a'));
    const connects = scripted.connects;
    await new Promise((resolve) => setTimeout(resolve, 200));
    await scripted.up(0);
    expect((await appended).baseOffset).toBe(0);
    expect(scripted.connects - connects).toBeLessThan(10);
  });

  it('are given up after requestTimeoutMs: with why, or in doubt where an attempt may have been written', async () => {
    const scripted = await scriptedCluster([topic(0)]);
    const { appends } = await open(scripted, { requestTimeoutMs: 300 });
    script(scripted, { errorCode: NOT_LEADER });
    expect(await codeOf(appends.append(at(), numbered('a')))).toBe('NOT_LEADER_OR_FOLLOWER');
    script(scripted, 'cut', { errorCode: NOT_LEADER });
    expect(await codeOf(appends.append(at(), numbered('b')))).toBe('REQUEST_TIMED_OUT');
    // Nor is a later refusal for good taken for more than it says.
    script(scripted, 'cut', { errorCode: 45 });
    expect(await codeOf(appends.append(at(), numbered('c')))).toBe('REQUEST_TIMED_OUT');
    script(scripted, 'silence');
    expect(await codeOf(appends.append(at(), numbered('d')))).toBe('REQUEST_TIMED_OUT');
  });

  it('that wait for a leader in vain are all given up, however many', async () => {
    const scripted = await scriptedCluster([topic(-1)]);
    const { appends } = await open(scripted, { requestTimeoutMs: 300 });
    const batch = unnumbered('a');
    const codes = await Promise.all(Array.from({ length: 20_000 }, () => codeOf(appends.append(at(), batch))));
    expect(new Set(codes)).toEqual(new Set(['LEADER_NOT_AVAILABLE']));
    expect(appends.metrics().append_waiting_bytes).toBe(0);
  });

  it('behind one that is never answered are not sent when their own time is over', async () => {
    const scripted = await scriptedCluster([topic(0)]);
    const { appends } = await open(scripted, { requestTimeoutMs: 300 });
    const seen = script(scripted, 'silence');
    const began = Date.now();
    const codes = await Promise.all(Array.from({ length: 10 }, () => codeOf(appends.append(at(), numbered('a')))));
    expect(Date.now() - began).toBeLessThan(1_500);
    expect(seen.length).toBeLessThanOrEqual(2);
    // Only what was sent may have been written.
    expect(codes.filter((code) => code === 'REQUEST_TIMED_OUT').length).toBe(seen.length);
    expect(codes.at(-1)).toBe('LEADER_NOT_AVAILABLE');
  });

  it('that are refused for good say so at once, and those behind them go on', async () => {
    const scripted = await scriptedCluster([topic(0)]);
    const { appends } = await open(scripted);
    script(scripted, { errorCode: TOPIC_AUTHORIZATION_FAILED, message: 'not yours' }, { baseOffset: 1 });
    const [refused, written] = [appends.append(at(), numbered('a')), appends.append(at(), numbered('b'))];
    await expect(refused).rejects.toMatchObject({
      code: 'TOPIC_AUTHORIZATION_FAILED',
      retriable: false,
      topic: 't',
      partition: 0,
      message: expect.stringContaining('not yours'),
    });
    expect((await written).baseOffset).toBe(1);
  });

  it('that the broker says it has are written, where it says at which offset', async () => {
    const scripted = await scriptedCluster([topic(0)]);
    const { appends } = await open(scripted);
    script(scripted, { errorCode: DUPLICATE_SEQUENCE_NUMBER, baseOffset: 12 });
    expect((await appends.append(at(), numbered('a'))).baseOffset).toBe(12);
    script(scripted, { errorCode: DUPLICATE_SEQUENCE_NUMBER });
    expect(await codeOf(appends.append(at(), numbered('b')))).toBe('DUPLICATE_SEQUENCE_NUMBER');
  });

  it('to what does not exist are refused, and a topic that was just made is found', async () => {
    const scripted = await scriptedCluster([]);
    const { cluster, appends } = await open(scripted);
    await vi.waitFor(async () => {
      // Looks for what is not there keep a distance.
      await cluster.lookFor([at()]);
      expect(await codeOf(appends.append(at(), numbered('a')))).toBe('UNKNOWN_TOPIC_ID');
    });
    scripted.topics.push(topic(0));
    await vi.waitFor(async () => expect(await codeOf(appends.append(at(), numbered('a')))).toBe('written'));
    expect(await codeOf(appends.append(at(1), numbered('a')))).toBe('UNKNOWN_TOPIC_OR_PARTITION');
  });

  it('over the bound of what may wait are refused, the others are not', async () => {
    const scripted = await scriptedCluster([topic(0)]);
    const { appends } = await open(scripted, {}, 1_000);
    const large = unnumbered('x'.repeat(800));
    const [one, two] = [appends.append(at(), large), appends.append(at(), large)];
    expect(await codeOf(two)).toBe('THROTTLING_QUOTA_EXCEEDED');
    expect(await codeOf(one)).toBe('written');
    expect(await codeOf(appends.append(at(), unnumbered('x'.repeat(5_000))))).toBe('written');
  });

  it('end when the log is closed', async () => {
    const scripted = await scriptedCluster([topic(0)]);
    const { cluster, appends } = await open(scripted);
    const seen = script(scripted, 'silence');
    const codes = [appends.append(at(), numbered('a')), appends.append(at(), numbered('b'))].map(codeOf);
    await vi.waitFor(() => expect(seen.length).toBe(1));
    appends.close();
    cluster.close();
    // Of what was under way nobody knows.
    expect(await Promise.all(codes)).toEqual(['REQUEST_TIMED_OUT', 'BROKER_NOT_AVAILABLE']);
    expect(await codeOf(appends.append(at(), numbered('c')))).toBe('BROKER_NOT_AVAILABLE');
  });

  it('leave a broker alone for as long as it says', async () => {
    const scripted = await scriptedCluster([topic(0)]);
    scripted.throttleMs = 1_500;
    const { appends } = await open(scripted);
    script(scripted, {});
    for (const value of ['a', 'b', 'c']) await appends.append(at(), numbered(value));
    const times = scripted.requests.filter(({ api }) => api === 0).map((request) => request.at);
    // Of the two connections each is told alone; the clock of these tests runs ten times faster.
    expect((times[2] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(140);
  });

  it('are written once each and in their order, whatever brokers do', async () => {
    const PARTITIONS = 3;
    const hurt = fc.constantFrom(
      'ok',
      'refuse',
      'refuse replicas',
      'lose',
      'write and lose',
      'write and refuse',
      'write and move',
      'move',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(PARTITIONS - 1), { minLength: 1, maxLength: 25 }),
        fc.array(hurt, { maxLength: 25 }),
        async (partitions, hurts) => {
          const scripted = await scriptedCluster([topic(0, 1, 0)], 2);
          const logs = Array.from({ length: PARTITIONS }, (): string[] => []);
          const pending = [...hurts];
          scripted.onProduce = ({ broker, partition, batch }) => {
            const [log, { leaders } = topic()] = [logs[partition] ?? [], scripted.topics[0]];
            if (leaders[partition] !== broker) return { errorCode: NOT_LEADER };
            const write = () => {
              const key = batch.toString('hex');
              if (!log.includes(key)) log.push(key);
              return log.indexOf(key);
            };
            switch (pending.shift() ?? 'ok') {
              case 'refuse':
                return { errorCode: NOT_LEADER };
              case 'refuse replicas':
                return { errorCode: NOT_ENOUGH_REPLICAS };
              case 'lose':
                return 'cut';
              case 'write and lose':
                write();
                return 'cut';
              case 'write and refuse':
                return { errorCode: NOT_ENOUGH_REPLICAS_AFTER_APPEND, baseOffset: write() };
              case 'write and move':
                leaders[partition] = 1 - broker;
                return { errorCode: NOT_LEADER, baseOffset: write() };
              case 'move':
                leaders[partition] = 1 - broker;
                return { errorCode: NOT_LEADER };
              default:
                return { baseOffset: write() };
            }
          };
          const { appends, cluster } = await open(scripted, { metadataMaxAgeMs: 50 });
          const batches = partitions.map((partition) => ({ partition, batch: numbered('x') }));
          const results = await Promise.all(
            batches.map(({ partition, batch }) => appends.append(at(partition), batch)),
          );
          for (let partition = 0; partition < PARTITIONS; partition++) {
            const sent = batches.filter((one) => one.partition === partition);
            expect(logs[partition]).toEqual(sent.map(({ batch }) => Buffer.from(batch).toString('hex')));
            const offsets = results.filter((_, i) => batches[i]?.partition === partition).map((one) => one.baseOffset);
            expect(offsets).toEqual(sent.map((_, i) => i));
          }
          appends.close();
          cluster.close();
          for (const nodeId of [0, 1]) await scripted.down(nodeId);
        },
      ),
      { numRuns: 25 },
    );
  }, 60_000);
});
