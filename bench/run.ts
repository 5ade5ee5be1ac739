// `npm run bench`: every figure is a ratio against a named rival, measured in the same run by alternating.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readJson, readOurs, readRaw, type Surface, usedChecksum } from './readers.ts';
import { alternate, median } from './stats.ts';
import { type Row, table } from './table.ts';

const HELP = `npm run bench -- [options]

Catch-up of a Node consumer from the embedded log, against a raw WebSocket and against a hand-written JSON gateway.

  --json        print the rows as JSON
  --only NAME   only rows whose name contains NAME
  --quick       small topics and one round: a smoke test, not a measurement
  --rounds N    measured rounds (default 5)
  --help        this text

npm run bench -- rebalance [--help]: how long a group takes to settle.
npm run bench -- kafka [--help]: through a gateway on Kafka, against consumers that read the broker directly.
npm run bench -- footprint [--help]: memory, processor time and connections of a gateway on Kafka.`;

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    help: { type: 'boolean', default: false },
  },
});

const SURFACES: readonly Surface[] = ['poll', 'for await', 'stream'];
/** The JSON rival needs a hundred times longer for a record, so it gets fewer of them. */
const SIZES = [
  { label: '100 B', topic: 'bench-100', valueBytes: 100, count: 2_000_000, jsonCount: 100_000, goals: [0.2, 30] },
  { label: '1 KiB', topic: 'bench-1024', valueBytes: 1024, count: 400_000, jsonCount: 60_000, goals: [0.2, 10] },
] as const;

const progress = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
};

interface Server {
  readonly url: string;
  stop(): void;
}
function startServer(kind: string, dir: string, topics: readonly string[]): Promise<Server> {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('./server.js', import.meta.url)), kind, dir, ...topics],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  return new Promise((resolve, reject) => {
    child.on('exit', (code) => reject(new Error(`the ${kind} server ended with ${code}`)));
    child.stdout.on('data', (chunk: Buffer) => {
      const url = /ws:\/\/[^\s/]+/.exec(chunk.toString())?.[0];
      if (url) resolve({ url, stop: () => child.stdin.end() });
    });
  });
}

/** Bytes that the raw rival sends for a topic: read once, until nothing more comes. */
async function measureBytes(url: string, topic: string): Promise<number> {
  const { WebSocket } = await import('ws');
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    let bytes = 0;
    let idle: NodeJS.Timeout;
    const restart = (): void => {
      clearTimeout(idle);
      idle = setTimeout(() => {
        socket.close();
        resolve(bytes);
      }, 500);
    };
    socket.on('open', () => {
      socket.send(topic);
      restart();
    });
    socket.on('error', reject);
    socket.on('message', (data: Buffer) => {
      bytes += data.length;
      restart();
    });
  });
}

async function benchmark(): Promise<Row[]> {
  const scale = options.quick ? 0.02 : 1;
  const rounds = options.quick ? 1 : Number(options.rounds);
  const base = mkdtempSync(join(tmpdir(), 'dlog-bench-'));
  const servers: Server[] = [];
  const rows: Row[] = [];
  try {
    const scaled = (count: number): number => Math.max(1_000, Math.round(count * scale));
    const topics = SIZES.map(({ topic, count, valueBytes }) => `${topic}:${scaled(count)}:${valueBytes}`);
    const jsonTopics = SIZES.map(({ topic, jsonCount, valueBytes }) => `${topic}:${scaled(jsonCount)}:${valueBytes}`);
    progress('filling the logs');
    const start = async (kind: string, specs: readonly string[]): Promise<string> => {
      const server = await startServer(kind, join(base, kind), specs);
      servers.push(server);
      return server.url;
    };
    const gateway = await start('gateway', topics);
    const raw = await start('raw', topics);
    const json = await start('json', jsonTopics);

    for (const { label, topic, count, jsonCount, goals } of SIZES) {
      const named = SURFACES.map((surface) => ({ surface, name: `catch-up ${label} ${surface}` }));
      const wanted = named.filter(({ name }) => name.includes(options.only));
      if (wanted.length === 0) continue;
      const total = scaled(count);
      const bytes = await measureBytes(raw, topic);
      const figures = await alternate(
        [
          ...wanted.map(({ surface, name }) => ({ name, run: () => readOurs(gateway, topic, total, surface) })),
          { name: 'raw', run: () => readRaw(raw, topic, total, bytes) },
          { name: 'json', run: () => readJson(json, topic, scaled(jsonCount)) },
        ],
        rounds,
        (text) => progress(`${label}: ${text}`),
      );
      const figure = (name: string): number => Math.round(median(figures.get(name) ?? []));
      for (const { name } of wanted) {
        const value = figure(name);
        const row = (rival: string, rivalValue: number, goal: number): Row => ({
          name,
          value,
          unit: 'records/s',
          rival,
          rivalValue,
          ratio: Number((value / rivalValue).toPrecision(3)),
          goal,
        });
        rows.push(row('raw ws frames, bytes only counted', figure('raw'), goals[0]));
        rows.push(row('hand-written gateway, one JSON message a record', figure('json'), goals[1]));
      }
    }
  } finally {
    for (const server of servers) server.stop();
    progress('');
    rmSync(base, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
  if (!Number.isFinite(usedChecksum())) throw new Error('values were not read');
  return rows;
}

if (options.help) {
  console.log(HELP);
} else {
  const rows = await benchmark();
  console.log(options.json ? JSON.stringify(rows, null, 2) : table(rows));
  process.exit(0);
}
