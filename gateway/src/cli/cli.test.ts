// The real command line against a real gateway, each in a process of its own.
import { Client } from 'distributedlog';
import { describe, expect, it, vi } from 'vitest';
import { collect, exitOf, serveCli } from './test-cli.ts';

// Each test runs several processes one after the other.
vi.setConfig({ testTimeout: 60_000 });

const cli = serveCli();
const { start, dlog } = cli;

describe('dlog topics', () => {
  it('creates, lists, describes and deletes', async () => {
    expect(await dlog(['topics', 'create', 'life', '--partitions', '2'])).toMatchObject({ code: 0, stderr: '' });
    expect((await dlog(['topics'])).stdout).toMatch(/NAME +PARTITIONS +RECORDS\n(.*\n)*life +2 +0\n/);
    const listed: { name: string }[] = JSON.parse((await dlog(['topics', 'list', '--json'])).stdout);
    expect(listed.map(({ name }) => name)).toContain('life');
    expect((await dlog(['topics', 'describe', 'life'])).stdout).toMatch(
      /PARTITION +START +END +LEADER EPOCH\n +0 +0 +0 /,
    );
    expect(await dlog(['topics', 'create', 'life', '--if-not-exists'])).toMatchObject({ code: 0 });
    expect(await dlog(['topics', 'delete', 'life'])).toMatchObject({ code: 0, stdout: 'deleted life\n' });
    expect(await dlog(['topics', 'delete', 'life', '--if-exists'])).toMatchObject({ code: 0 });
  });
  it('fails in one line with a hint and exit code 1', async () => {
    const { code, stderr } = await dlog(['topics', 'delete', 'nowhere']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^dlog topics delete: .*nowhere.* \("dlog topics list" shows .*\)\n$/);
  });
});

describe('dlog produce and dlog consume', () => {
  it('carry lines through a topic', async () => {
    await dlog(['topics', 'create', 'lines']);
    const produced = await dlog(['produce', 'lines'], 'a\n\nünï\nlast');
    expect(produced).toMatchObject({ code: 0, stdout: '' });
    expect(produced.stderr).toMatch(/^dlog produce: 4 records \(\d+ bytes\) to lines in \d+\.\d s\n$/);
    expect(await dlog(['consume', 'lines'])).toEqual({ code: 0, stdout: 'a\n\nünï\nlast\n', stderr: '' });
    expect((await dlog(['consume', 'lines', '--from', '2', '--max', '1'])).stdout).toBe('ünï\n');
    expect((await dlog(['consume', 'lines', '--from', '-1'])).stdout).toBe('last\n');
    expect((await dlog(['consume', 'lines', '--from', '1h'])).stdout).toBe('a\n\nünï\nlast\n');
    expect((await dlog(['consume', 'lines', '--from', 'latest'])).stdout).toBe('');
  });
  it('carry keys, headers and partitions, and print them as they are asked to', async () => {
    await dlog(['topics', 'create', 'keyed', '--partitions', '4']);
    const args = [
      'produce',
      'keyed',
      '--key-separator',
      '::',
      '--header',
      'h=1',
      '--partition',
      '3',
      '--json',
      '--quiet',
    ];
    const produced = await dlog(args, 'k1::v::1\nk2::\n');
    expect(produced).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(produced.stdout)).toMatchObject({
      topic: 'keyed',
      records: 2,
      partitions: [{ partition: 3, first: 0, last: 1, records: 2 }],
    });
    const format = ['consume', 'keyed', '--format', '%t/%p/%o %k=%v %h\\n'];
    expect((await dlog(format)).stdout).toBe('keyed/3/0 k1=v::1 h=1\nkeyed/3/1 k2= h=1\n');
    const json = (await dlog(['consume', 'keyed', '--json', '--max', '1'])).stdout;
    expect(JSON.parse(json)).toMatchObject({ key: 'k1', value: 'v::1', headers: [{ key: 'h', value: '1' }] });
  });
  it('carry bytes that are not UTF-8', async () => {
    await dlog(['topics', 'create', 'binary']);
    await dlog(['produce', 'binary', '--compression', 'gzip'], Buffer.of(0xff, 0x00, 0x0a));
    expect(JSON.parse((await dlog(['consume', 'binary', '--json'])).stdout)).toMatchObject({
      value: '/wA=',
      valueEncoding: 'base64',
    });
  });
  it('carry many records, however slowly they are read', async () => {
    await dlog(['topics', 'create', 'many', '--partitions', '2']);
    const input = Array.from({ length: 100_000 }, (_, i) => `${i}`.padEnd(100, '.')).join('\n');
    expect(await dlog(['produce', 'many', '--quiet'], input)).toMatchObject({ code: 0, stderr: '' });
    const { code, stdout } = await dlog(['consume', 'many']);
    expect(code).toBe(0);
    expect(stdout.split('\n').sort()).toEqual([...input.split('\n'), ''].sort());
  });
  it('follow a topic as it grows, and end in order on Ctrl-C', async () => {
    await dlog(['topics', 'create', 'live']);
    const consumer = start(['consume', 'live', '--follow', '--from', 'earliest']);
    const stdout = collect(consumer.stdout);
    const producer = start(['produce', 'live', '--quiet']);
    producer.stdin?.write('one\n');
    await stdout.until(/one\n/);
    producer.stdin?.write('two\nthree');
    await stdout.until(/two\n/);
    const ended = [exitOf(consumer), exitOf(producer)];
    consumer.kill('SIGINT');
    producer.kill('SIGINT');
    expect(await Promise.all(ended)).toEqual([0, 0]);
    expect(stdout.text).toBe('one\ntwo\n');
  });
  it('go on in a group where it has left off', async () => {
    await dlog(['topics', 'create', 'shared']);
    await dlog(['produce', 'shared'], '1\n2\n3\n4\n');
    expect((await dlog(['consume', 'shared', '--group', 'g', '--max', '2'])).stdout).toBe('1\n2\n');
    expect((await dlog(['consume', 'shared', '--group', 'g'])).stdout).toBe('3\n4\n');
    expect((await dlog(['consume', 'shared', '--group', 'g'])).stdout).toBe('');
    expect((await dlog(['groups'])).stdout).toMatch(/g +Empty +0\n/);
    expect((await dlog(['groups', 'describe', 'g'])).stdout).toMatch(/shared +0 +4 +4 +0 +-\n/);
    expect(JSON.parse((await dlog(['groups', 'describe', 'g', '--json'])).stdout)).toMatchObject({
      offsets: [{ topic: 'shared', committed: 4, lag: 0 }],
    });
  });
  it('commit what was printed when Ctrl-C ends them', async () => {
    await dlog(['topics', 'create', 'stopped']);
    await dlog(['produce', 'stopped'], '1\n2\n');
    const consumer = start(['consume', 'stopped', '--group', 'h', '--follow', '--from', 'earliest']);
    const stdout = collect(consumer.stdout);
    await stdout.until(/1\n2\n/);
    const ended = exitOf(consumer);
    consumer.kill('SIGINT');
    expect(await ended).toBe(0);
    await dlog(['produce', 'stopped'], '3\n');
    expect((await dlog(['consume', 'stopped', '--group', 'h'])).stdout).toBe('3\n');
  });
  it('share the partitions of a group, and hand them over when one of them goes', async () => {
    await dlog(['topics', 'create', 'split', '--partitions', '4']);
    const args = ['consume', 'split', '--group', 'split', '--follow', '--from', 'earliest', '--format', '%p/%v\\n'];
    const members = [start(args), start(args)] as const;
    const outputs = members.map((member) => collect(member.stdout));
    const lines = () => outputs.flatMap(({ text }) => text.split('\n').filter(Boolean));
    await using client = new Client({ bootstrapServers: cli.url });
    const producer = client.producer();
    const shares = async () => {
      const { members: all } = await client.admin().describeGroup('split');
      const moving = all.some(({ assignment, targetAssignment }) => assignment.length !== targetAssignment.length);
      return moving ? [] : all.map(({ assignment }) => assignment.length);
    };
    const send = (value: string) =>
      Promise.all([0, 1, 2, 3].map((partition) => producer.send({ topic: 'split', partition, value })));
    const expected = (...values: string[]) =>
      values.flatMap((value) => [0, 1, 2, 3].map((p) => `${p}/${value}`)).sort();
    await vi.waitFor(async () => expect(await shares()).toEqual([2, 2]), { timeout: 15_000 });
    await send('both');
    await vi.waitFor(() => expect(lines().sort()).toEqual(expected('both')), { timeout: 10_000 });
    // Each has its own two.
    for (const { text } of outputs) expect(text.split('\n').filter(Boolean)).toHaveLength(2);
    const ended = exitOf(members[1]);
    members[1].kill('SIGINT');
    expect(await ended).toBe(0);
    await send('one');
    await vi.waitFor(() => expect(lines().sort()).toEqual(expected('both', 'one')), { timeout: 10_000 });
    expect(await shares()).toEqual([4]);
    const last = exitOf(members[0]);
    members[0].kill('SIGINT');
    expect(await last).toBe(0);
    // Nothing came twice, and all of it is committed.
    expect(lines().sort()).toEqual(expected('both', 'one'));
    const { members: left, offsets } = await client.admin().describeGroup('split');
    expect([left, offsets.map(({ lag }) => lag)]).toEqual([[], [0, 0, 0, 0]]);
  });
  it('share what is there now, each record once, and commit nothing that came later', async () => {
    await dlog(['topics', 'create', 'batch', '--partitions', '4']);
    await using client = new Client({ bootstrapServers: cli.url });
    const producer = client.producer();
    const send = (count: number, from: number) =>
      Promise.all(
        Array.from({ length: count }, (_, i) =>
          producer.send({ topic: 'batch', partition: i % 4, value: `${from + i}`.padEnd(100, '.') }),
        ),
      );
    await send(40_000, 0);
    const args = ['consume', 'batch', '--group', 'batch'];
    // The first is held up by its reader until the second has its share.
    const first = start(args);
    await new Promise((resolve) => first.stdout?.once('readable', resolve));
    const second = start(args);
    await vi.waitFor(async () => expect((await client.admin().describeGroup('batch')).members).toHaveLength(2), {
      timeout: 15_000,
    });
    const outputs = [collect(first.stdout), collect(second.stdout)];
    await send(400, 40_000);
    expect(await Promise.all([exitOf(first), exitOf(second)])).toEqual([0, 0]);
    const printed = outputs
      .flatMap(({ text }) => text.split('\n').filter(Boolean))
      .map((line) => Number.parseInt(line, 10));
    expect(new Set(printed).size).toBe(printed.length);
    // The rest is still there for the next one: nothing was skipped.
    const rest = (await dlog(args)).stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => Number.parseInt(line, 10));
    expect([...printed, ...rest].sort((a, b) => a - b)).toEqual(Array.from({ length: 40_400 }, (_, i) => i));
  });
  it('end quietly when their reader goes away', async () => {
    await dlog(['topics', 'create', 'pipe']);
    await dlog(['produce', 'pipe', '--quiet'], 'x'.repeat(999).concat('\n').repeat(2_000));
    const consumer = start(['consume', 'pipe', '--follow', '--from', 'earliest']);
    const stderr = collect(consumer.stderr);
    const ended = exitOf(consumer);
    consumer.stdout?.once('data', () => consumer.stdout?.destroy());
    expect(await ended).toBe(0);
    expect(stderr.text).toBe('');
  });
  it('name the line that failed', async () => {
    await dlog(['topics', 'create', 'strict']);
    const noKey = await dlog(['produce', 'strict', '--key-separator', ':', '--quiet'], 'a:1\nb\n');
    expect(noKey).toMatchObject({
      code: 2,
      stderr: 'dlog produce: line 2 has no key: the separator ":" is not in it\n',
    });
    const noPartition = await dlog(['produce', 'strict', '--partition', '9', '--quiet'], 'a\n');
    expect(noPartition.code).toBe(1);
    expect(noPartition.stderr).toMatch(/^dlog produce: line 1: .*has no partition 9; it has 1/);
  });
  it('fail on a topic that there is not', async () => {
    const { code, stderr } = await dlog(['consume', 'nowhere']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^dlog consume: .*nowhere.*topics list/);
  });
});

describe('dlog', () => {
  it('tells wrong usage that only the SDK can see in one line with exit code 2', async () => {
    const name = await dlog(['topics', 'create', 'a/b']);
    expect(name).toMatchObject({ code: 2, stderr: expect.stringMatching(/^dlog topics create: .*a-z A-Z 0-9.*\n$/) });
    const bootstrap = await dlog(['topics', '--bootstrap', 'http://x']);
    expect(bootstrap).toMatchObject({ code: 2, stderr: expect.stringMatching(/^dlog topics list: .*wss:.*\n$/) });
  });
  it('says that it retries a gateway that is not there, and gives up after --timeout', async () => {
    const { code, stderr } = await dlog(['topics', '--bootstrap', 'localhost:9', '--timeout', '0.6']);
    expect(code).toBe(1);
    const lines = stderr.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^dlog topics list: .*; retrying$/);
    expect(lines[1]).toMatch(/^dlog topics list: .*within 600 ms.*\(is the gateway running\?.*dlog gateway/);
    expect(lines).toHaveLength(2);
  });
  it('stops retrying on Ctrl-C', async () => {
    const child = start(['consume', 't', '--bootstrap', 'localhost:9', '--timeout', '0']);
    const stderr = collect(child.stderr);
    await stderr.until(/retrying/);
    const ended = exitOf(child);
    child.kill('SIGINT');
    expect(await ended).toBe(0);
  });
  it('prints its version', async () => {
    expect((await dlog(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
