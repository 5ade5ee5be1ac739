// `dlog groups` against a real gateway, each in a process of its own.
import { Client } from 'distributedlog';
import { describe, expect, it, vi } from 'vitest';
import { collect, exitOf, serveCli } from './test-cli.ts';

// Each test runs several processes one after the other.
vi.setConfig({ testTimeout: 60_000 });

const cli = serveCli();
const { start, dlog } = cli;

describe('dlog groups', () => {
  /** A topic of three partitions with ten records each, and a group that has committed the same offset in all of them. */
  async function consumed(topic: string, groupId: string, offset = 10) {
    await using client = new Client({ bootstrapServers: cli.url });
    const producer = client.producer();
    const partitions = [0, 1, 2];
    await client.admin().createTopic({ name: topic, partitions: partitions.length });
    for (const partition of partitions) {
      const values = Array.from({ length: 10 }, (_, i) => `${partition}/${i}`);
      await Promise.all(values.map((value) => producer.send({ topic, partition, value })));
    }
    await client.consumer({ groupId }).commit(partitions.map((partition) => ({ topic, partition, offset })));
  }
  const rows = (...cells: (string | number)[][]) =>
    new RegExp(cells.map((row) => `^${row.join(' +')}\n`).join(''), 'm');
  const read = async (topic: string, group: string) =>
    (await dlog(['consume', topic, '--group', group])).stdout.split('\n').filter(Boolean).sort();

  it('reset shows first what it would do, and with --execute the next reader begins there', async () => {
    await consumed('again', 'again');
    const plan = await dlog(['groups', 'reset', 'again', '--to', 'earliest']);
    expect(plan).toMatchObject({ code: 0, stderr: '' });
    expect(plan.stdout).toMatch(
      rows(['TOPIC', 'PARTITION', 'COMMITTED', 'NEW', 'LAG'], ...[0, 1, 2].map((p) => ['again', p, 10, 0, 10])),
    );
    expect(plan.stdout).toMatch(/nothing is changed yet.*--execute/);
    expect(await read('again', 'again')).toEqual([]);

    const done = await dlog(['groups', 'reset', 'again', '--to', '8', '--topic', 'again:0,2', '--execute']);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout).toMatch(
      rows(['TOPIC', 'PARTITION', 'BEFORE', 'COMMITTED', 'LAG'], ['again', 0, 10, 8, 2], ['again', 2, 10, 8, 2]),
    );
    expect(done.stdout).toMatch(/^moved 2 of 2 partition/m);
    expect((await dlog(['groups', 'describe', 'again'])).stdout).toMatch(
      rows(['again', 0, 8, 10, 2, '-'], ['again', 1, 10, 10, 0, '-'], ['again', 2, 8, 10, 2, '-']),
    );
    expect(await read('again', 'again')).toEqual(['0/8', '0/9', '2/8', '2/9']);
  });
  it('reset goes to an end, a place, a time or so many records on, of a new group too', async () => {
    await consumed('where', 'where');
    const to = async (...where: string[]) => {
      const { code, stdout } = await dlog(['groups', 'reset', 'where', '--json', ...where]);
      expect(code).toBe(0);
      const { offsets }: { offsets: { offset: number }[] } = JSON.parse(stdout);
      return offsets.map(({ offset }) => offset);
    };
    expect(await to('--to', 'earliest')).toEqual([0, 0, 0]);
    expect(await to('--to', 'latest')).toEqual([10, 10, 10]);
    expect(await to('--to', '-3')).toEqual([7, 7, 7]);
    expect(await to('--to', '1h')).toEqual([0, 0, 0]);
    expect(await to('--to', '@999999999999999')).toEqual([10, 10, 10]);
    expect(await to('--shift-by', '-4', '--topic', 'where:1')).toEqual([6]);
    const fresh = await dlog(['groups', 'reset', 'fresh', '--to', '9', '--topic', 'where', '--execute', '--json']);
    expect(JSON.parse(fresh.stdout)).toEqual({
      groupId: 'fresh',
      executed: true,
      offsets: [0, 1, 2].map((partition) => ({ topic: 'where', partition, committed: null, offset: 9, lag: 1 })),
    });
    expect(await read('where', 'fresh')).toEqual(['0/9', '1/9', '2/9']);
  });
  it('reset says in one line what it cannot do', async () => {
    await consumed('wrong', 'wrong');
    const reset = async (group: string, ...args: string[]) => {
      const { code, stderr, stdout } = await dlog(['groups', 'reset', group, '--execute', ...args]);
      expect(stdout).toBe('');
      expect(stderr.split('\n')).toHaveLength(2);
      return [code, stderr];
    };
    const outside = await reset('wrong', '--to', '11');
    expect(outside).toEqual([
      1,
      expect.stringMatching(/: outside the log: (11 in wrong-[012], which has 0 to 10(; )?){3}$/m),
    ]);
    expect(await reset('wrong', '--to', '0', '--topic', 'nowhere')).toEqual([
      1,
      expect.stringMatching(/no topic nowhere/),
    ]);
    expect(await reset('wrong', '--to', '0', '--topic', 'wrong:3')).toEqual([
      2,
      expect.stringMatching(/wrong has no partition 3; it has 3, from 0/),
    ]);
    expect(await reset('nobody', '--to', '0')).toEqual([1, expect.stringMatching(/no group "nobody".*groups list/)]);
    expect(await reset('x'.repeat(256), '--to', '0')).toEqual([2, expect.stringMatching(/1 to 255 characters/)]);
    expect((await dlog(['groups', 'describe', 'wrong'])).stdout).toMatch(/lag 0$/m);
  });
  it('describe names members and what they own; with them there, reset and delete are refused, naming them', async () => {
    await consumed('busy', 'busy', 9);
    const member = start(['consume', 'busy', '--group', 'busy', '--follow']);
    const stdout = collect(member.stdout);
    await stdout.until(/2\/9/);
    const view = JSON.parse((await dlog(['groups', 'describe', 'busy', '--json'])).stdout);
    expect(view).toMatchObject({ state: 'Stable', moving: [], members: [{ clientId: 'dlog', connected: true }] });
    const { memberId } = view.members[0];
    expect(view.offsets.map(({ owner }: { owner: string }) => owner)).toEqual([memberId, memberId, memberId]);
    const described = (await dlog(['groups', 'describe', 'busy'])).stdout;
    expect(described).toMatch(new RegExp(`^${memberId} +dlog +- +connected +\\d+ +busy +busy:0-2$`, 'm'));
    for (const args of [
      ['reset', 'busy', '--to', '0', '--execute'],
      ['reset', 'busy', '--to', '0'],
      ['delete', 'busy'],
    ]) {
      const { code, stderr } = await dlog(['groups', ...args]);
      expect(code).toBe(1);
      expect(stderr).toMatch(
        new RegExp(`^dlog groups ${args[0]}: group "busy" has 1 member.*${memberId} \\(dlog\\).*\n$`),
      );
    }
    const ended = exitOf(member);
    member.kill('SIGINT');
    expect(await ended).toBe(0);
    // Ctrl-C has left the group, and has committed.
    expect((await dlog(['groups', 'describe', 'busy'])).stdout).toMatch(
      /^busy {2}Empty {2}.*lag 0\n[^]*\nno members\n$/,
    );
    expect(await dlog(['groups', 'delete', 'busy'])).toEqual({ code: 0, stdout: 'deleted busy\n', stderr: '' });
  });
  it('a member that was killed is shown as held, and stands in the way like any other', async () => {
    await consumed('killed', 'killed');
    const member = start(['consume', 'killed', '--group', 'killed', '--follow']);
    const printed = collect(member.stdout);
    await using client = new Client({ bootstrapServers: cli.url });
    const connected = async () =>
      (await client.admin().describeGroup('killed')).members.map((one) => [one.connected, one.assignment.length]);
    await vi.waitFor(async () => expect(await connected()).toEqual([[true, 3]]), { timeout: 15_000 });
    // It is kept once it has said that it knows who it is: before it reads.
    await client.producer().send({ topic: 'killed', partition: 0, value: 'another' });
    await printed.until(/another/);
    member.kill('SIGKILL');
    await vi.waitFor(async () => expect(await connected()).toEqual([[false, 3]]), { timeout: 15_000 });
    expect((await dlog(['groups', 'describe', 'killed'])).stdout).toMatch(/ dlog +- +held +\d+ +killed +killed:0-2$/m);
    expect(await dlog(['groups', 'reset', 'killed', '--to', '0', '--execute'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /\(dlog, held\); stop them first; a held one goes by itself when its sessionTimeoutMs/,
      ),
    });
  });
  it('delete tries every group, and says of each what came of it', async () => {
    await consumed('gone', 'gone-1');
    await consumed('gone-too', 'gone-2');
    const { code, stdout, stderr } = await dlog(['groups', 'delete', 'gone-1', 'nobody', 'gone-2']);
    expect(code).toBe(1);
    expect(stdout).toBe('deleted gone-1\ndeleted gone-2\n');
    expect(stderr).toMatch(/^dlog groups delete: .*no group "nobody".*\n$/);
    expect((await dlog(['groups'])).stdout).not.toMatch(/gone/);
    expect((await dlog(['groups', 'describe', 'gone-1'])).stderr).toMatch(/no group "gone-1"/);
    // Its commits have gone with it.
    expect(await read('gone', 'gone-1')).toHaveLength(30);
    const again = await dlog(['groups', 'delete', 'gone-1', 'nobody', '--if-exists', '--json']);
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(again.stdout)).toEqual([
      { groupId: 'gone-1', deleted: true },
      { groupId: 'nobody', deleted: false },
    ]);
  });
});
