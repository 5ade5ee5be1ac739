// What a coordinator keeps in the embedded store: durable, in order, and never in the way of opening.
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StoredGroup } from 'distributedlog/server';
import { ManualClock } from 'distributedlog/testing';
import { open as openLmdb } from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedGroupStore } from './group-store.ts';
import { openInDirectory } from './open.ts';
import { openStore, type Store } from './store.ts';
import { canMount, mountDisk, unmountDisk } from './test-disk.ts';
import { Topics } from './topics.ts';
import { Writer } from './writer.ts';

let dir: string;
let closing: (() => Promise<void>)[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'dlog-groups-'));
  closing = [];
});
afterEach(async () => {
  for (const close of closing) await close();
  rmSync(dir, { recursive: true, force: true });
});

interface Opened {
  readonly store: Store;
  readonly writer: Writer;
  readonly topics: Topics;
  readonly groups: EmbeddedGroupStore;
  close(): Promise<void>;
}
function open(at = dir): Opened {
  const store = openStore(at);
  const freeDiskBytes = async () => {
    const { bavail, bsize } = statfsSync(at);
    return bavail * bsize;
  };
  const writer = new Writer({ store, clock: new ManualClock(), dir: at, freeDiskBytes });
  const topics = new Topics(store, writer, {
    defaults: { partitions: 2, retentionMs: undefined, retentionBytes: undefined },
    leaderEpoch: 0,
    randomUuid: () => crypto.randomUUID(),
  });
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= writer.close().then(() => store.close());
    return closed;
  };
  closing.push(close);
  return { store, writer, topics, groups: new EmbeddedGroupStore(store, writer, topics), close };
}
const state = (epoch: number): StoredGroup => ({
  epoch,
  members: [
    {
      memberId: 'm',
      clientId: 'c',
      topics: ['t'],
      sessionTimeoutMs: 1,
      rebalanceTimeoutMs: 2,
      maxPollIntervalMs: 3,
      epoch,
      assigned: [{ topic: 't', topicId: 'id', partition: 0 }],
      held: [],
      tokenHashes: ['abc'],
    },
  ],
});
const statesOf = async ({ groups }: Opened) => Object.fromEntries(await groups.states());

describe('the members of groups', () => {
  it('are there when the store is opened again', async () => {
    const first = open();
    await first.groups.saveState('g', state(1));
    await first.groups.saveState('ünïcode/group', state(2));
    expect(await statesOf(first)).toEqual({ g: state(1), 'ünïcode/group': state(2) });
    await first.close();
    expect(await statesOf(open())).toEqual({ g: state(1), 'ünïcode/group': state(2) });
  });

  it('are as they were saved last, however many saves go to disk together', async () => {
    const opened = open();
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => opened.groups.saveState('g', i % 10 === 7 ? undefined : state(i))),
    );
    expect(await statesOf(opened)).toEqual({ g: state(99) });
    await Promise.all([opened.groups.saveState('g', state(100)), opened.groups.saveState('g', undefined)]);
    expect(await statesOf(opened)).toEqual({});
  });

  it('are no commits, and commits no members', async () => {
    const { groups, topics } = open();
    const { topicId } = await topics.create({ name: 't' });
    await groups.saveState('members', state(1));
    await groups.write('commits', [{ topicId, partition: 1, offset: 5 }]);
    expect(await groups.groups()).toEqual(['commits']);
    expect(await groups.read('members')).toEqual([]);
    expect([...(await groups.states()).keys()]).toEqual(['members']);
  });

  it('that cannot be read are left out, and the others are served', async () => {
    const { groups, store } = open();
    await groups.saveState('good', state(1));
    await store.commit([{ table: 'groups', key: Buffer.from('bad'), value: Buffer.from('{"epoch":') }]);
    expect(Object.fromEntries(await groups.states())).toEqual({ good: state(1) });
  });

  it('go with the group’s commits when it is removed, also with those on their way to disk; other groups stay', async () => {
    const opened = open();
    const { groups, topics } = opened;
    const { topicId } = await topics.create({ name: 't' });
    const offset = { topicId, partition: 0, offset: 5 };
    await Promise.all(['g', 'g2', 'other'].map((group) => groups.write(group, [offset])));
    await groups.saveState('other', state(1));
    await Promise.all([
      groups.write('g', [{ ...offset, partition: 1 }]),
      groups.saveState('g', state(1)),
      groups.remove('g'),
    ]);
    expect(await groups.read('g')).toEqual([]);
    expect((await groups.groups()).sort()).toEqual(['g2', 'other']);
    expect(await statesOf(opened)).toEqual({ other: state(1) });
  });

  it('of a group that is removed and made again in the same breath are those of the new one', async () => {
    const opened = open();
    await Promise.all([
      opened.groups.saveState('g', state(1)),
      opened.groups.remove('g'),
      opened.groups.saveState('g', state(2)),
    ]);
    expect(await statesOf(opened)).toEqual({ g: state(2) });
  });

  it('refuses to save once the log is closed', async () => {
    const { groups, close } = open();
    await close();
    await expect(groups.saveState('g', state(1))).rejects.toMatchObject({ code: 'BROKER_NOT_AVAILABLE' });
  });
});

describe('a log', () => {
  const environment = () => ({ clock: new ManualClock(), random: Math.random });

  it.each([
    ['is no JSON', '}'],
    ['is of another form', '{"epoch":"three","members":7}'],
    ['is null', 'null'],
  ])('opens, and lets members join, where what was saved of a group %s', async (_, text) => {
    const { store, close } = open();
    await store.commit([{ table: 'groups', key: Buffer.from('g'), value: Buffer.from(text) }]);
    await close();
    const log = await openInDirectory({ dir }, environment());
    closing.push(() => log.close());
    const { topicId } = await log.createTopic({ name: 't', partitions: 1 });
    const member = await log.groups.join(
      {
        groupId: 'g',
        clientId: 'c',
        topics: ['t'],
        sessionTimeoutMs: 1_000,
        rebalanceTimeoutMs: 1_000,
        maxPollIntervalMs: 1_000,
      },
      { onAssignment: () => undefined, onFenced: () => undefined, onTakenOver: () => undefined },
    );
    expect(member.partitions).toEqual([{ topic: 't', topicId, partitions: [0] }]);
  });

  it('opens a store from before members were saved', async () => {
    await (await openInDirectory({ dir }, environment())).close();
    const old = openLmdb({ path: dir, noSubdir: false, maxDbs: 32 });
    await old.openDB({ name: 'groups', encoding: 'binary', keyEncoding: 'binary' }).drop();
    await old.close();
    const log = await openInDirectory({ dir }, environment());
    closing.push(() => log.close());
    expect(await log.groups.list()).toEqual([]);
  });
});

describe.runIf(canMount)('on a full disk (a mounted tmpfs; skipped where mounting is not possible)', () => {
  it('saving fails at once with KAFKA_STORAGE_ERROR, what was saved can be read, and removing is still tried', async () => {
    const disk = join(dir, 'disk');
    mountDisk(disk, 16);
    const opened = open(disk);
    try {
      const { groups } = opened;
      await groups.saveState('g', state(1));
      await groups.saveState('gone', state(1));
      const { bavail, bsize } = statfsSync(disk);
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(bavail * bsize));
      const large = { epoch: 2, members: Array.from({ length: 200 }, () => state(2).members[0] ?? expect.fail()) };
      const refusal = await groups.saveState('g', large).catch((error: unknown) => error);
      expect(refusal).toMatchObject({ code: 'KAFKA_STORAGE_ERROR', retriable: true });
      expect(await groups.saveState('g', state(3)).catch((error: unknown) => error)).toBe(refusal);
      expect(await statesOf(opened)).toEqual({ g: state(1), gone: state(1) });
      rmSync(join(disk, 'ballast'));
      await groups.remove('gone');
      expect(await statesOf(opened)).toEqual({ g: state(1) });
    } finally {
      await opened.close();
      unmountDisk(disk);
    }
  });
});
