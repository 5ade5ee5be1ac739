// The real command line against a real gateway, each in a process of its own. Reads the build: `npm run build` comes first.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'distributedlog';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

// Each test runs several processes one after the other.
vi.setConfig({ testTimeout: 60_000 });

const bin = fileURLToPath(new URL('../../bin/dlog.js', import.meta.url));
let dir = '';
let gateway: ChildProcess;
let url = '';
const running = new Set<ChildProcess>();

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawn(process.execPath, [bin, ...args], {
    env: { ...process.env, DLOG_BOOTSTRAP: url, DLOG_TOKEN: '', ...env },
  });
  running.add(child);
  child.on('exit', () => running.delete(child));
  return child;
}
function collect(stream: NodeJS.ReadableStream | null): { text: string; until(pattern: RegExp): Promise<void> } {
  const listeners = new Set<() => void>();
  const collected = {
    text: '',
    until: (pattern: RegExp) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (!pattern.test(collected.text)) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        look();
      }),
  };
  stream?.setEncoding?.('utf8');
  stream?.on('data', (chunk) => {
    collected.text += String(chunk);
    for (const look of [...listeners]) look();
  });
  return collected;
}
const exitOf = (child: ChildProcess) =>
  new Promise<number | null>((resolve) => {
    child.on('close', (code) => resolve(code));
  });

async function dlog(args: readonly string[], input: string | Buffer = '', env?: NodeJS.ProcessEnv) {
  const child = start(args, env);
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  const code = await exitOf(child);
  return { code, stdout: stdout.text, stderr: stderr.text };
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dlog-cli-'));
  gateway = start(['gateway', '--data', dir, '--port', '0', '--no-auto-create', '--log-level', 'error']);
  const stdout = collect(gateway.stdout);
  const stderr = collect(gateway.stderr);
  await Promise.race([
    stdout.until(/ws:\/\/\S+?,/),
    exitOf(gateway).then((code) => Promise.reject(new Error(`the gateway ended with ${code}: ${stderr.text}`))),
  ]);
  url = /ws:\/\/[^\s,]+/.exec(stdout.text)?.[0] ?? '';
});
afterAll(async () => {
  const ended = [...running].map(exitOf);
  for (const child of running) child.kill('SIGKILL');
  await Promise.all(ended);
  await rm(dir, { recursive: true, force: true });
});

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
    await using client = new Client({ bootstrapServers: url });
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
    await using client = new Client({ bootstrapServers: url });
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

describe('dlog groups', () => {
  /** A topic of three partitions with ten records each, and a group that has committed the same offset in all of them. */
  async function consumed(topic: string, groupId: string, offset = 10) {
    await using client = new Client({ bootstrapServers: url });
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
    await using client = new Client({ bootstrapServers: url });
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
