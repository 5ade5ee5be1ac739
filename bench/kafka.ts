// `npm run bench -- kafka`: a Node consumer through a gateway on Kafka, against consumers that read the same topic from the
// same broker directly: catch-up, and the latency that the gateway adds. Each consumer in a process of its own, in turn.
import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startBroker, startGateway } from './kafka-ends.ts';
import type { ReaderName, ReaderNews, Reading, Task } from './kafka-readers.ts';
import { Records } from './kafka-records.ts';
import { alternate, median } from './stats.ts';
import { columns, type Row, table } from './table.ts';

const HELP = `npm run bench -- kafka [options]

Catch-up of a Node consumer through a gateway on Kafka, and the latency the gateway adds, against @platformatic/kafka and
kafkajs on the same broker. With KAFKA_BROKERS those brokers (topics are made and deleted there), else one is started.

  --json        print the rows as JSON
  --only NAME   only rows whose name contains NAME
  --quick       small topics and one round: a smoke test, not a measurement
  --rounds N    measured rounds (default 5)
  --rivals      the rivals alone
  --help        this text`;

const { values: options } = parseArgs({
  args: process.argv.slice(2),
  options: {
    json: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
    rivals: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    help: { type: 'boolean', default: false },
  },
});

const RIVALS = [
  { name: '@platformatic/kafka', goal: 1 },
  { name: 'kafkajs', goal: 2 },
] as const;
const CATCH_UPS = (['none', 'lz4'] as const).flatMap((compression) => [
  { name: `catch-up 100 B ${compression}`, compression, valueBytes: 100, records: 2_000_000 },
  { name: `catch-up 1 KiB ${compression}`, compression, valueBytes: 1024, records: 400_000 },
]);
const LATENCY = { name: 'latency', perSecond: 1_000, seconds: 10, valueBytes: 100 };

/** Of a row about time: the quantiles in ms, and what ours is above the rival's. */
interface LatencyRow {
  readonly name: string;
  readonly unit: 'ms';
  readonly p50: number;
  readonly p99: number;
  readonly rival: string;
  readonly rivalP50: number;
  readonly rivalP99: number;
  readonly addedP50: number;
  readonly addedP99: number;
}

const progress = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
};

/** A consumer's process. */
class ReaderProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  constructor(task: Task) {
    this.#child = fork(fileURLToPath(new URL('./kafka-readers.js', import.meta.url)), [JSON.stringify(task)]);
    this.#ended = new Promise((_, reject) => {
      this.#child.once('exit', (code) => reject(new Error(`the reader ${task.reader} ended with ${code}`)));
    });
    this.#ended.catch(() => undefined);
  }
  hears<T extends ReaderNews['type']>(type: T): Promise<ReaderNews & { type: T }> {
    const heard = new Promise<ReaderNews & { type: T }>((resolve) => {
      this.#child.on('message', (news: ReaderNews) => {
        if (isOf(news, type)) resolve(news);
      });
    });
    return Promise.race([heard, this.#ended]);
  }
  end(): void {
    this.#child.kill('SIGKILL');
  }
}
function isOf<T extends ReaderNews['type']>(news: ReaderNews, type: T): news is ReaderNews & { type: T } {
  return news.type === type;
}

interface Ends {
  readonly broker: string;
  readonly gateway: string;
}

const readers = (): ReaderName[] =>
  (options.rivals ? [] : (['ours'] as ReaderName[])).concat(RIVALS.map(({ name }) => name));
const rounded = (value: number, digits = 3): number => Number(value.toPrecision(digits));

async function catchUps(ends: Ends, records: Records, rounds: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { name, compression, valueBytes, records: count } of CATCH_UPS) {
    if (!name.includes(options.only)) continue;
    const expected = options.quick ? count / 40 : count;
    const topic = `bench-${valueBytes}-${compression}-${process.pid}`;
    progress(`${name}: filling the topic`);
    await records.fill({ topic, records: expected, valueBytes, compression });
    let lastBytes: number | undefined;
    const read = async (reader: ReaderName): Promise<number> => {
      const address = reader === 'ours' ? ends.gateway : ends.broker;
      const child = new ReaderProcess({ reader, address, topic, measure: { records: expected } });
      const reading = await child.hears('reading').finally(() => child.end());
      lastBytes ??= reading.lastBytes;
      check(reading, reader, { records: expected, bytes: expected * valueBytes, lastBytes });
      return (expected - 1) / reading.seconds;
    };
    const figures = await alternate(
      readers().map((reader) => ({ name: reader, run: () => read(reader) })),
      rounds,
      (text) => progress(`${name}: ${text}`),
    );
    const of = (reader: string): number[] => figures.get(reader) ?? [];
    const spread = (reader: string) =>
      [Math.round(Math.min(...of(reader))), Math.round(Math.max(...of(reader)))] as const;
    for (const rival of RIVALS) {
      const value = Math.round(median(of(options.rivals ? rival.name : 'ours')));
      const rivalValue = Math.round(median(of(rival.name)));
      rows.push({
        name,
        value,
        unit: 'records/s',
        rival: rival.name,
        rivalValue,
        ratio: rounded(value / rivalValue),
        goal: rival.goal,
        spread: [spread(options.rivals ? rival.name : 'ours'), spread(rival.name)],
      });
    }
  }
  return rows;
}

function check(reading: Reading, reader: string, expected: Pick<Reading, 'records' | 'bytes' | 'lastBytes'>): void {
  const same = ({ records, bytes, lastBytes }: typeof expected): string =>
    JSON.stringify({ records, bytes, lastBytes });
  if (same(reading) === same(expected)) return;
  throw new Error(`${reader} read ${same(reading)} instead of ${same(expected)}`);
}

/** Rounds of one reader each: it waits at the end of the topic, and records come at an even pace. */
async function latencies(ends: Ends, records: Records, rounds: number): Promise<LatencyRow[]> {
  if (!LATENCY.name.includes(options.only)) return [];
  const topic = `bench-latency-${process.pid}`;
  await records.create(topic);
  const producer = records.producer();
  const send = (value?: Buffer) =>
    producer.send({ messages: [{ topic, partition: 0, ...(value === undefined ? {} : { value }) }] });
  const p99s = new Map<string, number[]>();
  const measure = async (reader: ReaderName): Promise<number> => {
    const address = reader === 'ours' ? ends.gateway : ends.broker;
    const child = new ReaderProcess({ reader, address, topic, measure: 'latency' });
    try {
      let isReady = false;
      const ready = child.hears('ready').then(() => {
        isReady = true;
      });
      for (; !isReady; await Promise.race([ready, sleep(50)])) await send(Buffer.alloc(LATENCY.valueBytes));
      const done = child.hears('latencies');
      await pace(send);
      await send();
      const ms = [...(await done).ms].sort((a, b) => a - b);
      if (ms.length === 0) throw new Error(`${reader} saw no record`);
      p99s.set(reader, [...(p99s.get(reader) ?? []), ms[Math.floor(ms.length * 0.99)] ?? Number.NaN]);
      return ms[Math.floor(ms.length * 0.5)] ?? Number.NaN;
    } finally {
      child.end();
    }
  };
  const p50s = await alternate(
    readers().map((reader) => ({ name: reader, run: () => measure(reader) })),
    rounds,
    (text) => progress(`${LATENCY.name}: ${text}`),
  );
  await producer.close();
  const p50 = (reader: string): number => rounded(median(p50s.get(reader) ?? []));
  // Without the round that warms up, as `alternate` has it.
  const p99 = (reader: string): number => rounded(median(p99s.get(reader)?.slice(1) ?? []));
  return RIVALS.map(({ name: rival }) => {
    const ours = options.rivals ? rival : 'ours';
    return {
      name: `${LATENCY.name} at ${LATENCY.perSecond} records/s`,
      unit: 'ms',
      p50: p50(ours),
      p99: p99(ours),
      rival,
      rivalP50: p50(rival),
      rivalP99: p99(rival),
      addedP50: rounded(p50(ours) - p50(rival)),
      addedP99: rounded(p99(ours) - p99(rival)),
    };
  });
}

/** One record each millisecond, with the time in it at which it was handed to the producer. */
async function pace(send: (value: Buffer) => Promise<unknown>): Promise<void> {
  const seconds = options.quick ? 1 : LATENCY.seconds;
  const total = LATENCY.perSecond * seconds;
  const startedMs = performance.now();
  const pending = new Set<Promise<unknown>>();
  for (let sent = 0; sent < total; await sleep(1)) {
    const due = Math.min(total, Math.floor(((performance.now() - startedMs) / 1000) * LATENCY.perSecond));
    for (; sent < due; sent++) {
      const value = Buffer.alloc(LATENCY.valueBytes);
      value.writeBigUInt64LE(process.hrtime.bigint());
      const sending = send(value).finally(() => pending.delete(sending));
      pending.add(sending);
    }
  }
  await Promise.all(pending);
}

function latencyTable(rows: readonly LatencyRow[]): string {
  const pair = (p50: number, p99: number): string => `${p50} / ${p99} ms`;
  return columns(
    ['row', 'ours p50 / p99', 'rival', "rival's p50 / p99", 'added'],
    rows.map((row) => [
      row.name,
      pair(row.p50, row.p99),
      row.rival,
      pair(row.rivalP50, row.rivalP99),
      pair(row.addedP50, row.addedP99),
    ]),
  );
}

if (options.help) {
  console.log(HELP);
} else {
  const rounds = options.quick ? 1 : Number(options.rounds);
  progress('starting broker and gateway');
  const broker = await startBroker();
  const gateway = options.rivals ? undefined : await startGateway(broker.bootstrap);
  const ends: Ends = { broker: broker.bootstrap, gateway: gateway?.url ?? '' };
  const records = new Records(ends.broker);
  try {
    const rows = await catchUps(ends, records, rounds);
    const late = await latencies(ends, records, rounds);
    progress('');
    const tables = [rows.length > 0 ? table(rows) : '', late.length > 0 ? latencyTable(late) : ''].filter(Boolean);
    console.log(options.json ? JSON.stringify([...rows, ...late], null, 2) : tables.join('\n\n'));
  } finally {
    gateway?.child.kill('SIGKILL');
    await records.close();
    await broker.close();
  }
  process.exit(0);
}
