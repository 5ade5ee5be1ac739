// `npm run bench -- footprint`: what a gateway on Kafka takes: memory for each idle connection, processor time for what it
// delivers, connections to the broker. The figures of docs/DEPLOYMENT.md.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Consumer } from 'distributedlog';
import { type GatewayProcess, startBroker, startGateway } from './kafka-ends.ts';
import { Records } from './kafka-records.ts';
import { columns } from './table.ts';

const HELP = `npm run bench -- footprint [options]

  --json           print the rows as JSON
  --connections N  idle ones (default 500)
  --help           this text

With KAFKA_BROKERS those brokers (topics are made and deleted there), else one is started.`;

const { values: options } = parseArgs({
  args: process.argv.slice(2),
  options: {
    json: { type: 'boolean', default: false },
    connections: { type: 'string', default: '500' },
    help: { type: 'boolean', default: false },
  },
});

interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

/** Long enough for what is only garbage to be collected, and for heartbeats to come and go. */
const SETTLE_MS = 10_000;
const IDLE_SECONDS = 20;
const DELIVERED = [
  { label: '100 B values', valueBytes: 100, records: 1_000_000 },
  { label: '1 KiB values', valueBytes: 1024, records: 300_000 },
] as const;

async function metric(gateway: GatewayProcess, name: string): Promise<number> {
  const text = await (await fetch(`${gateway.url.replace('ws:', 'http:')}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}
const memory = (gateway: GatewayProcess): Promise<number> => metric(gateway, 'dlog_resident_memory_bytes');
const cpu = (gateway: GatewayProcess): Promise<number> => metric(gateway, 'dlog_cpu_seconds_total');

/** TCP connections of the gateway to the brokers; NaN where nothing tells. */
function brokerConnections(gateway: GatewayProcess, bootstrap: string): number {
  const ports = bootstrap.split(',').map((broker) => broker.split(':').at(-1));
  try {
    const lines = execFileSync('ss', ['-Htnp', 'state', 'established'], { encoding: 'utf8' }).split('\n');
    const ours = lines.filter((line) => line.includes(`pid=${gateway.child.pid},`));
    return ours.filter((line) => ports.includes(line.trim().split(/\s+/)[3]?.split(':').at(-1))).length;
  } catch {
    return Number.NaN;
  }
}

async function follow(gateway: GatewayProcess, topic: string): Promise<Consumer> {
  const consumer = new Consumer({ bootstrapServers: gateway.url });
  await consumer.assign([{ topic, partition: 0 }]);
  return consumer;
}

async function idle(gateway: GatewayProcess, bootstrap: string, topic: string): Promise<Row[]> {
  await sleep(SETTLE_MS);
  const before = await memory(gateway);
  const count = Number(options.connections);
  const consumers: Consumer[] = [];
  for (let i = 0; i < count; i++) consumers.push(await follow(gateway, topic));
  await sleep(SETTLE_MS);
  const perConnection = ((await memory(gateway)) - before) / count;
  const cpuBefore = await cpu(gateway);
  await sleep(IDLE_SECONDS * 1000);
  const cpuShare = ((await cpu(gateway)) - cpuBefore) / IDLE_SECONDS;
  const connections = brokerConnections(gateway, bootstrap);
  await Promise.all(consumers.map((consumer) => consumer.close()));
  return [
    { name: 'memory without connections', value: Math.round(before / 1e6), unit: 'MB' },
    { name: `memory for each of ${count} idle connections`, value: Math.round(perConnection / 1000), unit: 'kB' },
    {
      name: `processor while ${count} connections are idle`,
      value: Number((cpuShare * 100).toPrecision(2)),
      unit: '%',
    },
    { name: `connections to the broker while ${count} followers wait`, value: connections, unit: '' },
  ];
}

async function delivered(gateway: GatewayProcess, topic: string, records: number, valueBytes: number): Promise<Row[]> {
  const megabytes = (records * valueBytes) / 1e6;
  const before = await cpu(gateway);
  const startedMs = performance.now();
  await using consumer = new Consumer({ bootstrapServers: gateway.url, autoOffsetReset: 'earliest' });
  await consumer.assign([{ topic, partition: 0 }]);
  for (let seen = 0; seen < records; ) seen += (await consumer.poll()).length;
  const seconds = (performance.now() - startedMs) / 1000;
  const cpuSeconds = (await cpu(gateway)) - before;
  const label = DELIVERED.find((one) => one.valueBytes === valueBytes)?.label ?? '';
  return [
    {
      name: `processor for each MB delivered, ${label}`,
      value: Number(((cpuSeconds / megabytes) * 1000).toPrecision(2)),
      unit: 'ms',
    },
    { name: `delivered meanwhile to one consumer, ${label}`, value: Math.round(megabytes / seconds), unit: 'MB/s' },
  ];
}

async function measure(): Promise<Row[]> {
  const broker = await startBroker();
  const dir = mkdtempSync(join(tmpdir(), 'dlog-footprint-'));
  const records = new Records(broker.bootstrap);
  const config = join(dir, 'dlog.json');
  writeFileSync(config, JSON.stringify({ limits: { maxConnectionsPerAddress: 10_000, maxConnections: 10_000 } }));
  const gateway = await startGateway(broker.bootstrap, '--config', config);
  try {
    const quiet = `bench-footprint-${process.pid}`;
    await records.create(quiet);
    const rows = await idle(gateway, broker.bootstrap, quiet);
    for (const { valueBytes, records: count } of DELIVERED) {
      const topic = `${quiet}-${valueBytes}`;
      await records.fill({ topic, records: count, valueBytes, compression: 'none' });
      // Once to warm up.
      await delivered(gateway, topic, count, valueBytes);
      rows.push(...(await delivered(gateway, topic, count, valueBytes)));
    }
    return rows;
  } finally {
    gateway.child.kill('SIGKILL');
    await records.close();
    await broker.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

if (options.help) {
  console.log(HELP);
} else {
  const rows = await measure();
  const lines = rows.map(({ name, value, unit }) => [name, `${value} ${unit}`.trim()]);
  console.log(options.json ? JSON.stringify(rows, null, 2) : columns(['what', 'how much'], lines));
  process.exit(0);
}
