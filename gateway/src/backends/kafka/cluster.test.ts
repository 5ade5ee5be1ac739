import { type Clock, systemClock } from 'distributedlog/core';
import type { LogError } from 'distributedlog/protocol';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { versionsMissing } from './api-family.ts';
import { METADATA, REQUIRED } from './apis.ts';
import { Cluster } from './cluster.ts';
import { KafkaLog } from './kafka-log.ts';
import { type KafkaLogOptions, parseKafkaLogOptions } from './options.ts';
import { API, RANGES, type ScriptedCluster, scriptedCluster } from './test-scripted-broker.ts';

const topicId = '11111111-2222-4333-8444-555555555555';
const topic = (...leaders: number[]) => ({ name: 't', topicId, leaders });
const CREATE_TOPICS = 19;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
/** Waits take a tenth of their time. */
const hurried: Clock = {
  now: () => systemClock.now(),
  after: (ms, callback) => systemClock.after(ms / 10, callback),
};

function clusterOf(scripted: ScriptedCluster, options: Partial<KafkaLogOptions> = {}, clock: Clock = systemClock) {
  const cluster = new Cluster(parseKafkaLogOptions({ brokers: scripted.addresses, ...options }), clock, Math.random);
  onTestFinished(() => cluster.close());
  return cluster;
}
function logOf(scripted: ScriptedCluster, options: Partial<KafkaLogOptions> = {}): KafkaLog {
  const settings = parseKafkaLogOptions({ brokers: scripted.addresses, ...options });
  const log = new KafkaLog({ settings, clock: systemClock, random: Math.random });
  onTestFinished(() => log.close());
  return log;
}

describe('a broker that is too old', () => {
  it('is refused in one line that names every API and both ends’ versions', () => {
    // As Kafka 2.3 has them.
    const theirs = { 0: [0, 7], 1: [0, 11], 2: [0, 5], 3: [0, 8], 9: [0, 5], 10: [0, 2], 18: [0, 2], 22: [0, 1] };
    const versions = new Map(
      Object.entries(theirs).map(([key, [minVersion = 0, maxVersion = 0]]) => [
        Number(key),
        { minVersion, maxVersion },
      ]),
    );
    const error = versionsMissing(REQUIRED, versions, 'kafka-1:9092');
    expect(error).toMatchObject({ code: 'UNSUPPORTED_VERSION', retriable: false });
    expect(error?.message).toBe(
      'The broker at kafka-1:9092 is too old: needed are Metadata 10 to 12 (it has 0 to 8), FindCoordinator 4 to 6 (it has 0 to 2), ' +
        'ApiVersions 3 to 3 (it has 0 to 2), Fetch 13 to 17 (it has 0 to 11), Produce 9 to 13 (it has 0 to 7), ' +
        'InitProducerId 3 to 5 (it has 0 to 1), OffsetFetch 8 to 9 (it has 0 to 5).',
    );
    const [first] = REQUIRED;
    versions.delete(first.key);
    expect(versionsMissing([first], versions, 'b')?.message).toContain('Metadata 10 to 12 (it does not have it)');
    expect(versionsMissing(REQUIRED, new Map(), 'b')?.message).not.toContain('\n');
  });

  it('is why the cluster is not there', async () => {
    const scripted = await scriptedCluster([]);
    scripted.ranges = { ...RANGES, [API.metadata]: [0, 8] };
    const cluster = clusterOf(scripted);
    await expect(cluster.refresh()).rejects.toMatchObject({ code: 'UNSUPPORTED_VERSION' });
    expect(cluster.failure?.message).toContain('Metadata 10 to 12 (it has 0 to 8)');
    // It is upgraded.
    scripted.ranges = RANGES;
    await scripted.down(0);
    await scripted.up(0);
    await vi.waitFor(() => expect(cluster.failure).toBeUndefined(), { timeout: 5_000 });
  });

  it('is told from others also where it does not know how to say what it has', async () => {
    const scripted = await scriptedCluster([]);
    scripted.ranges = { ...RANGES, [API.apiVersions]: [0, 2] };
    await expect(clusterOf(scripted).refresh()).rejects.toMatchObject({
      code: 'UNSUPPORTED_VERSION',
      message: expect.stringContaining('ApiVersions 3'),
    });
  });
});

describe('a cluster', () => {
  it('that is not there is looked for without haste, and found when it comes', async () => {
    const scripted = await scriptedCluster([topic(0)]);
    await scripted.down(0);
    const log = logOf(scripted);
    const began = Date.now();
    await log.firstLook(5_000);
    expect(Date.now() - began).toBeLessThan(2_000);
    expect(log.logId).toBeUndefined();
    expect(log.health()).toMatchObject({ code: 'BROKER_NOT_AVAILABLE', retriable: true });
    expect(log.health()?.message).toContain(scripted.addresses[0]);
    for (const work of [
      log.topics(),
      log.topics(['t']),
      log.initProducer(),
      log.createTopic({ name: 'x' }),
      log.deleteTopic('x'),
    ])
      await expect(work).rejects.toMatchObject({ code: 'BROKER_NOT_AVAILABLE', retriable: true });
    const [answer] = await log.listOffsets([{ topicId, partition: 0, at: 'latest' }], 'read_uncommitted');
    expect(answer?.error).toMatchObject({ code: 'BROKER_NOT_AVAILABLE', retriable: true });
    expect(log.ends({ topicId, partition: 0 })).toBeUndefined();
    await scripted.up(0);
    await vi.waitFor(() => expect(log.health()).toBeUndefined(), { timeout: 5_000 });
    expect(log.logId).toBe('scripted-cluster');
    expect((await log.topics()).map(({ name }) => name)).toEqual(['t']);
  });

  it('that goes away is said to be gone, keeps its identity, and is found again', async () => {
    const scripted = await scriptedCluster([topic(0)]);
    const log = logOf(scripted, { metadataMaxAgeMs: 50 });
    await log.firstLook(5_000);
    expect(log.health()).toBeUndefined();
    await scripted.down(0);
    await vi.waitFor(() => expect(log.health()?.code).toBe('BROKER_NOT_AVAILABLE'), { timeout: 5_000 });
    expect(log.logId).toBe('scripted-cluster');
    const connects = scripted.connects;
    await sleep(500);
    await scripted.up(0);
    await vi.waitFor(() => expect(log.health()).toBeUndefined(), { timeout: 5_000 });
    expect(scripted.connects - connects).toBeLessThan(10);
  });

  it('is asked at another broker where one does not answer', async () => {
    const [silent, other] = [await scriptedCluster([]), await scriptedCluster([topic(0)])];
    silent.deaf = true;
    const brokers = [...silent.addresses, ...other.addresses];
    const cluster = clusterOf(silent, { brokers }, hurried);
    expect((await cluster.refresh()).byName.has('t')).toBe(true);
    expect(silent.count(API.metadata)).toBe(1);
    // And the next time that one is asked first.
    await cluster.refresh();
    expect(silent.count(API.metadata)).toBe(1);
  });

  it('is looked at a few times only, however many ask for it', async () => {
    const scripted = await scriptedCluster([topic(0)]);
    const cluster = clusterOf(scripted);
    await cluster.refresh();
    const until = Date.now() + 600;
    while (Date.now() < until) {
      cluster.refreshSoon();
      await cluster.lookFor([{ topicId: 'nowhere', partition: 0 }]);
      await sleep(1);
    }
    expect(scripted.count(API.metadata)).toBeLessThan(8);
    expect(scripted.count(API.metadata)).toBeGreaterThan(2);
  });

  it('says what is not there, and what cannot be had now', async () => {
    const scripted = await scriptedCluster([topic(0, -1)]);
    const cluster = clusterOf(scripted);
    const codeOf = (of: { topicId: string; partition: number }) => {
      try {
        return cluster.leaderOf(of).leader;
      } catch (error) {
        return (error as LogError).code;
      }
    };
    expect(codeOf({ topicId, partition: 0 })).toBe('BROKER_NOT_AVAILABLE');
    await cluster.refresh();
    expect([0, 1, 2].map((partition) => codeOf({ topicId, partition }))).toEqual([
      0,
      'LEADER_NOT_AVAILABLE',
      'UNKNOWN_TOPIC_OR_PARTITION',
    ]);
    expect(codeOf({ topicId: 'nowhere', partition: 0 })).toBe('UNKNOWN_TOPIC_ID');
  });

  it('tells what changed: topics that are new, were made anew, grew or are gone', async () => {
    const [other, grown, gone] = ['b', 'c', 'd'].map((name, i) => ({
      ...topic(0),
      name,
      topicId: topicId.replace('1', `${i + 5}`),
    }));
    if (other === undefined || grown === undefined || gone === undefined) throw new Error('there are three');
    const scripted = await scriptedCluster([other, grown, gone]);
    const cluster = clusterOf(scripted);
    const told: unknown[] = [];
    const stop = cluster.onMetadata((now, before) => {
      const { changed, deleted } = now.changesSince(before);
      told.push([changed.map(({ name }) => name), deleted]);
    });
    await cluster.refresh();
    scripted.topics.splice(
      0,
      3,
      { ...other, topicId },
      { ...grown, leaders: [0, 0] },
      { ...topic(0), name: 'e', topicId: topicId.replace('1', '9') },
    );
    await cluster.refresh();
    await cluster.refresh();
    stop();
    scripted.topics.splice(0);
    await cluster.refresh();
    expect(told).toEqual([
      [['b', 'c', 'd'], []],
      [['b', 'c', 'e'], ['d']],
      [[], []],
    ]);
  });

  it('keeps topics that one broker does not list and another one does, and lets go of those that both do not', async () => {
    const scripted = await scriptedCluster([topic(0)], 2);
    const cluster = clusterOf(scripted);
    await cluster.refresh();
    const last = scripted.requests.findLast(({ api }) => api === API.metadata)?.broker ?? -1;
    scripted.behind.add(last);
    expect((await cluster.refresh()).byName.has('t')).toBe(true);
    scripted.behind.add(1 - last);
    expect((await cluster.refresh()).byName.has('t')).toBe(false);
    // What is new needs no second word.
    scripted.behind.delete(last);
    expect((await cluster.refresh()).byName.has('t')).toBe(true);
  });

  it('that names no broker is not one without topics: what was seen last stays', async () => {
    const scripted = await scriptedCluster([topic(0)]);
    const cluster = clusterOf(scripted);
    await cluster.refresh();
    scripted.namesNobody = true;
    await expect(cluster.refresh()).rejects.toMatchObject({ code: 'BROKER_NOT_AVAILABLE' });
    expect(cluster.metadata.byName.has('t')).toBe(true);
    expect(cluster.leaderOf({ topicId, partition: 0 }).leader).toBe(0);
    scripted.namesNobody = false;
    await vi.waitFor(() => expect(cluster.failure).toBeUndefined(), { timeout: 5_000 });
  });

  it('whose controller nobody knows is asked once for what must not be done twice', async () => {
    const scripted = await scriptedCluster([topic(0)], 2);
    scripted.controllerId = -1;
    scripted.ranges = { ...RANGES, [CREATE_TOPICS]: [7, 7] };
    const log = logOf(scripted);
    await log.firstLook(5_000);
    // The connection is cut.
    await expect(log.createTopic({ name: 'u' })).rejects.toMatchObject({ code: 'BROKER_NOT_AVAILABLE' });
    expect(scripted.count(CREATE_TOPICS)).toBe(1);
  });

  it('takes one broker’s word where the others do not answer', async () => {
    const scripted = await scriptedCluster([topic(0)], 2);
    const cluster = clusterOf(scripted, {}, hurried);
    await cluster.refresh();
    const last = scripted.requests.findLast(({ api }) => api === API.metadata)?.broker ?? -1;
    scripted.behind.add(last);
    await scripted.down(1 - last);
    expect((await cluster.refresh()).byName.has('t')).toBe(false);
  });

  it('lets go of the connections to a broker that is gone', async () => {
    const scripted = await scriptedCluster([topic(0)], 2);
    const cluster = clusterOf(scripted, { brokers: scripted.addresses.slice(0, 1) });
    await cluster.refresh();
    const link = cluster.link(1, 'x');
    await link.versions();
    await scripted.down(1);
    await cluster.refresh();
    await expect(link.versions()).rejects.toMatchObject({ code: 'BROKER_NOT_AVAILABLE' });
    expect(() => cluster.link(1, 'x')).toThrowError(expect.objectContaining({ code: 'BROKER_NOT_AVAILABLE' }));
    await scripted.up(1);
    await cluster.refresh();
    expect((await cluster.link(1, 'x').versions()).size).toBeGreaterThan(3);
  });

  it('that is closed refuses, and looks at nothing any more', async () => {
    const scripted = await scriptedCluster([topic(0)]);
    const cluster = clusterOf(scripted, { metadataMaxAgeMs: 50 });
    await cluster.refresh();
    cluster.close();
    const looks = scripted.count(API.metadata);
    await expect(cluster.refresh()).rejects.toMatchObject({ code: 'BROKER_NOT_AVAILABLE' });
    await expect(cluster.any(METADATA, null)).rejects.toMatchObject({ code: 'BROKER_NOT_AVAILABLE' });
    await sleep(150);
    expect(scripted.count(API.metadata)).toBe(looks);
  });
});
