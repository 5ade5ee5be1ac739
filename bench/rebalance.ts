// `npm run bench -- rebalance`: how long a group of 20 members and 60 partitions takes to settle, and how much moves, when
// members join, leave and die. A real gateway on the embedded log, members in processes of their own, records all the time.
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Admin, type GroupDescription, Producer } from 'distributedlog';
import type { News, Order } from './members.ts';
import { median } from './stats.ts';

const HELP = `npm run bench -- rebalance [options]

Time from the cause of a rebalance until the group is Stable and every partition that moved delivers at its new owner.

  --json          print the rows as JSON
  --rounds N      measured rounds (default 5)
  --members N     default 20
  --partitions N  default 60
  --help          this text`;

const { values: options } = parseArgs({
  args: process.argv.slice(2),
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    members: { type: 'string', default: '20' },
    partitions: { type: 'string', default: '60' },
    help: { type: 'boolean', default: false },
  },
});
const MEMBERS = Number(options.members);
const PARTITIONS = Number(options.partitions);
const TOPIC = 'bench-rebalance';
const GROUP = 'bench';
const SESSION_TIMEOUT_MS = 2_000;
const GOAL_MS = 2_000;
/** A record for each partition this often: what is measured is no finer. */
const RECORD_EVERY_MS = 50;

type Owners = ReadonlyMap<number, string>;
interface Measured {
  readonly settledMs: number;
  readonly moved: number;
  /** The fewest that any even assignment moves. */
  readonly mustMove: number;
  /** The longest time that a partition which did not move was without a record. */
  readonly longestPauseMs: number;
}
interface Row {
  readonly name: string;
  readonly medianMs: number;
  readonly worstMs: number;
  readonly goalMs: number;
  readonly moved: string;
  readonly mustMove: string;
  readonly longestPauseMs: number;
}

/** Comparable between the processes of one machine, ms. */
const now = (): number => performance.timeOrigin + performance.now();
const progress = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
};

/** A process with members in it, and what it told. */
class Host {
  readonly child: ChildProcess;
  readonly #listeners = new Set<(news: News) => void>();

  constructor(url: string) {
    const program = fileURLToPath(new URL('./members.js', import.meta.url));
    this.child = fork(program, [url, GROUP, TOPIC, String(SESSION_TIMEOUT_MS)]);
    this.child.on('message', (news: News) => {
      for (const listener of this.#listeners) listener(news);
    });
  }
  tell(order: Order): void {
    this.child.send(order);
  }
  listen(listener: (news: News) => void): void {
    this.#listeners.add(listener);
  }
  /** What answers an order. */
  ask<T extends News['type']>(order: Order, type: T): Promise<News & { type: T }> {
    return new Promise((resolve) => {
      const listener = (news: News): void => {
        if (!isOf(news, type) || ('member' in order && 'member' in news && news.member !== order.member)) return;
        this.#listeners.delete(listener);
        resolve(news);
      };
      this.#listeners.add(listener);
      this.tell(order);
    });
  }
}
function isOf<T extends News['type']>(news: News, type: T): news is News & { type: T } {
  return news.type === type;
}

class Bench {
  readonly #url: string;
  readonly #admin: Admin;
  readonly #hosts = new Map<string, Host>();
  /** By partition: who delivered last, and since when. */
  readonly #delivering = new Map<number, { readonly member: string; readonly at: number }>();

  constructor(url: string) {
    this.#url = url;
    this.#admin = new Admin({ bootstrapServers: url });
  }

  /** A process for these members. */
  host(...members: readonly string[]): void {
    const host = new Host(this.#url);
    host.listen((news) => {
      if (news.type === 'delivers') this.#delivering.set(news.partition, { member: news.member, at: news.at });
    });
    for (const member of members) this.#hosts.set(member, host);
  }
  async joins(...members: readonly string[]): Promise<number> {
    const joined = await Promise.all(
      members.map((member) => this.#hostOf(member).ask({ type: 'join', member }, 'joined')),
    );
    return Math.min(...joined.map(({ from }) => from));
  }
  async leaves(member: string): Promise<number> {
    return (await this.#hostOf(member).ask({ type: 'leave', member }, 'left')).from;
  }
  kill(member: string): number {
    const host = this.#hostOf(member);
    const at = now();
    host.child.kill('SIGKILL');
    this.#hosts.delete(member);
    return at;
  }
  #hostOf(member: string): Host {
    const host = this.#hosts.get(member);
    if (host === undefined) throw new Error(`nobody hosts ${member}`);
    return host;
  }

  /** `cause` answers when it happened. */
  async measure(members: number, cause: () => Promise<number>): Promise<Measured> {
    const before = this.#owners();
    await this.#pauses();
    const from = await cause();
    const group = await this.settled(members);
    const after = this.#owners();
    const moved = [...after].filter(([partition, member]) => before.get(partition) !== member);
    const settledAt = Math.max(from, ...moved.map(([partition]) => this.#delivering.get(partition)?.at ?? 0));
    const movedPartitions = new Set(moved.map(([partition]) => partition));
    const stayed = (await this.#pauses()).filter(([partition]) => !movedPartitions.has(partition));
    return {
      settledMs: settledAt - from,
      moved: moved.length,
      mustMove: mustMove(
        before,
        group.members.map(({ clientId }) => clientId),
      ),
      longestPauseMs: Math.max(0, ...stayed.map(([, ms]) => ms)),
    };
  }

  /** The group is Stable with so many members, and its partitions deliver where they belong. */
  async settled(members: number): Promise<GroupDescription> {
    for (const deadline = now() + 60_000; now() < deadline; await sleep(5)) {
      const group = await this.#admin.describeGroup(GROUP).catch(() => undefined);
      if (group?.state !== 'Stable' || group.members.length !== members) continue;
      const owners = new Map(
        group.members.flatMap(({ clientId, assignment }) => assignment.map(({ partition }) => [partition, clientId])),
      );
      if (owners.size < PARTITIONS) continue;
      if ([...owners].every(([partition, member]) => this.#delivering.get(partition)?.member === member)) return group;
    }
    throw new Error(`the group did not settle with ${members} members within 60 s`);
  }

  #owners(): Owners {
    return new Map([...this.#delivering].map(([partition, { member }]) => [partition, member]));
  }
  async #pauses(): Promise<(readonly [number, number])[]> {
    const hosts = [...new Set(this.#hosts.values())];
    const answers = await Promise.all(hosts.map((host) => host.ask({ type: 'pauses' }, 'pauses')));
    return answers.flatMap(({ pauses }) => pauses);
  }
  async close(): Promise<void> {
    for (const { child } of this.#hosts.values()) child.kill('SIGKILL');
    await this.#admin.close();
  }
}

/** The fewest partitions that get another owner when these members share them evenly. */
function mustMove(before: Owners, members: readonly string[]): number {
  const had = members.map((member) => [...before.values()].filter((owner) => owner === member).length);
  had.sort((a, b) => b - a);
  const least = Math.floor(PARTITIONS / members.length);
  const kept = had.map((count, i) => Math.min(count, i < PARTITIONS % members.length ? least + 1 : least));
  return PARTITIONS - kept.reduce((sum, count) => sum + count, 0);
}

async function benchmark(): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), 'dlog-bench-'));
  const bin = fileURLToPath(new URL('../../gateway/bin/dlog.js', import.meta.url));
  const limits = join(dir, 'dlog.json');
  writeFileSync(limits, JSON.stringify({ limits: { maxConnectionsPerAddress: MEMBERS + 10 } }));
  const gateway = spawn(
    process.execPath,
    [bin, 'gateway', '--data', join(dir, 'data'), '--port', '0', '--config', limits, '--log-level', 'warn'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const url = await new Promise<string>((resolve, reject) => {
    gateway.on('exit', (code) => reject(new Error(`the gateway ended with ${code}`)));
    gateway.stdout.on('data', (text: Buffer) => {
      const found = /ws:\/\/[^\s,]+/.exec(text.toString())?.[0];
      if (found !== undefined) resolve(found);
    });
  });
  const admin = new Admin({ bootstrapServers: url });
  await admin.createTopic({ name: TOPIC, partitions: PARTITIONS });
  await admin.close();
  const producer = new Producer({ bootstrapServers: url, lingerMs: 0 });
  let stopped = false;
  const producing = setInterval(() => {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      producer.send({ topic: TOPIC, partition, value: 'x' }).catch((error: unknown) => {
        if (!stopped) throw error;
      });
    }
  }, RECORD_EVERY_MS);

  const bench = new Bench(url);
  const measured = new Map<string, { readonly goalMs: number; readonly results: Measured[] }>();
  const note = (name: string, result: Measured, goalMs = GOAL_MS): void => {
    const row = measured.get(name) ?? { goalMs, results: [] };
    measured.set(name, row);
    row.results.push(result);
  };
  try {
    const crowd = Array.from({ length: MEMBERS - 1 }, (_, i) => `m${i + 1}`);
    const half = Math.ceil(crowd.length / 2);
    bench.host(...crowd.slice(0, half));
    bench.host(...crowd.slice(half));
    progress('all join at once');
    note(`${crowd.length} join at once`, await bench.measure(crowd.length, () => bench.joins(...crowd)));
    for (let round = 1; round <= Number(options.rounds); round++) {
      progress(`round ${round} of ${options.rounds}`);
      const last = `last of round ${round}`;
      bench.host(last);
      note(`the ${MEMBERS}th joins`, await bench.measure(MEMBERS, () => bench.joins(last)));
      note('one leaves', await bench.measure(MEMBERS - 1, () => bench.leaves(last)));
      await bench.joins(last);
      await bench.settled(MEMBERS);
      const died = `one is killed, with its session of ${SESSION_TIMEOUT_MS} ms`;
      note(died, await bench.measure(MEMBERS - 1, async () => bench.kill(last)), SESSION_TIMEOUT_MS + GOAL_MS);
    }
  } finally {
    stopped = true;
    clearInterval(producing);
    await bench.close();
    gateway.kill('SIGKILL');
    progress('');
    rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
  const counts = (values: readonly number[]): string => [...new Set(values)].sort((a, b) => a - b).join(', ');
  return [...measured].map(([name, { goalMs, results }]) => ({
    name,
    medianMs: Math.round(median(results.map(({ settledMs }) => settledMs))),
    worstMs: Math.round(Math.max(...results.map(({ settledMs }) => settledMs))),
    goalMs,
    moved: counts(results.map((result) => result.moved)),
    mustMove: counts(results.map((result) => result.mustMove)),
    longestPauseMs: Math.round(Math.max(...results.map((result) => result.longestPauseMs))),
  }));
}

function table(rows: readonly Row[]): string {
  const lines = rows.map((row) => [
    row.name,
    `${row.medianMs} ms`,
    `${row.worstMs} ms`,
    `< ${row.goalMs} ms`,
    row.moved,
    row.mustMove,
    `${row.longestPauseMs} ms`,
  ]);
  const head = ['until it delivers again', 'median', 'worst', 'goal', 'moved', 'must move', 'pause of the others'];
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)));
  const format = (cells: readonly string[]): string =>
    cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return [format(head), widths.map((width) => '─'.repeat(width)).join('  '), ...lines.map(format)].join('\n');
}

if (options.help) console.log(HELP);
else {
  const rows = await benchmark();
  console.log(options.json ? JSON.stringify(rows, null, 2) : table(rows));
  process.exit(0);
}
