// Feeds a gateway with this machine's live telemetry, and sums it up with a small consumer group: a real producer and real
// members for the dashboard to look at, and an example of both.
import { cpus, freemem, hostname, loadavg, totalmem, uptime } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { Client, LogError } from 'distributedlog';

const { values: options } = parseArgs({ options: { gateway: { type: 'string', default: 'http://127.0.0.1:9192' } } });
const httpUrl = new URL(options.gateway);
const DAY_MS = 24 * 60 * 60 * 1000;
const RETENTION = { 'retention.ms': String(DAY_MS), 'retention.bytes': String(256 * 1024 * 1024) };

const bootstrapServers = `${httpUrl.protocol === 'https:' ? 'wss' : 'ws'}://${httpUrl.host}`;
const client = new Client({ bootstrapServers, clientId: 'telemetry' });
const producer = client.producer();
const admin = client.admin();

const TOPICS = {
  'telemetry.cpu': 2,
  'telemetry.memory': 1,
  'telemetry.load': 1,
  'telemetry.eventloop': 1,
  'telemetry.gateway': 3,
};
/** Not telemetry itself: what the group writes. */
const ROLLUP_TOPIC = 'rollup';
for (const [name, partitions] of Object.entries({ ...TOPICS, [ROLLUP_TOPIC]: 1 })) {
  await admin.createTopic({ name, partitions, config: RETENTION }).catch((error) => {
    if (LogError.from(error).code !== 'TOPIC_ALREADY_EXISTS') throw error;
  });
}

let failed;
const source = [{ key: 'host', value: new TextEncoder().encode(hostname()) }];
/** Not awaited: the producer batches; a send that fails for good ends the process with its error. */
function send(topic, key, value) {
  producer.send({ topic, key, value: JSON.stringify(value), headers: source }).catch((error) => {
    failed ??= error;
  });
}

const delays = monitorEventLoopDelay({ resolution: 10 });
delays.enable();
const ms = (nanoseconds) => Math.round(nanoseconds / 1e4) / 100;
let lastCores = cpus();

function sampleCpu() {
  const cores = cpus();
  cores.forEach(({ times, model, speed }, index) => {
    const before = lastCores[index]?.times ?? times;
    const delta = (name) => times[name] - before[name];
    const total = delta('user') + delta('nice') + delta('sys') + delta('idle') + delta('irq');
    if (total <= 0) return; // The kernel counts in ticks: nothing has passed since the last sample.
    const share = (name) => Math.round((delta(name) / total) * 1000) / 10;
    send('telemetry.cpu', `cpu${index}`, {
      usage: Math.round((1 - delta('idle') / total) * 1000) / 10,
      user: share('user'),
      system: share('sys'),
      idle: share('idle'),
      mhz: speed,
      model,
    });
  });
  lastCores = cores;
}
function sampleMemory() {
  const total = totalmem();
  const free = freemem();
  const { rss, heapUsed, external } = process.memoryUsage();
  send('telemetry.memory', 'system', {
    total,
    free,
    used: total - free,
    usedPercent: Math.round((1 - free / total) * 1000) / 10,
  });
  send('telemetry.memory', 'telemetry-process', { rss, heapUsed, external });
}
function sampleLoad() {
  const [one, five, fifteen] = loadavg();
  send('telemetry.load', 'load', { one, five, fifteen, uptimeSeconds: Math.round(uptime()) });
}
function sampleEventLoop() {
  if (delays.count === 0) return;
  send('telemetry.eventloop', 'delay', {
    meanMs: ms(delays.mean),
    maxMs: ms(delays.max),
    p99Ms: ms(delays.percentile(99)),
  });
  delays.reset();
}
/** One record for each of the gateway's own counters: the Prometheus text, as anybody can read it. */
async function sampleGateway() {
  const response = await fetch(new URL('/metrics', httpUrl));
  if (!response.ok) return;
  for (const line of (await response.text()).split('\n')) {
    const match = /^(dlog_[a-zA-Z0-9_]+(?:\{[^}]*\})?) (-?[0-9.eE+-]+)/.exec(line);
    if (match && !match[1].includes('_bucket')) send('telemetry.gateway', match[1], { value: Number(match[2]) });
  }
}

const SAMPLERS = [
  [sampleCpu, 25],
  [sampleEventLoop, 25],
  [sampleMemory, 50],
  [sampleLoad, 250],
  [sampleGateway, 500],
];
/** A member of the group, on a connection of its own: counts what it reads, and writes the sums every ten seconds. */
function rollUp(clientId) {
  const own = new Client({ bootstrapServers, clientId });
  const consumer = own.consumer({ groupId: 'telemetry-rollup', autoCommitIntervalMs: 1000, autoOffsetReset: 'latest' });
  const sums = new Map();
  const joined = consumer.subscribe(Object.keys(TOPICS)).catch((error) => {
    if (!ending) failed ??= error;
  });
  // Once a second is cheap, and lets the lag be seen.
  const poll = async () => {
    await joined;
    for (const { topic, partition, value } of await consumer.poll({ timeoutMs: 0, maxRecords: 10_000 })) {
      const key = `${topic}-${partition}`;
      const sum = sums.get(key) ?? { records: 0, bytes: 0 };
      sum.records += 1;
      sum.bytes += value?.length ?? 0;
      sums.set(key, sum);
    }
  };
  const write = () => {
    for (const [key, sum] of sums) send(ROLLUP_TOPIC, key, { ...sum, seconds: 10, by: clientId });
    sums.clear();
  };
  const close = async () => {
    await consumer.close({ timeoutMs: 2000 });
    await own.close();
  };
  return { poll, write, close };
}

let ending = false;
const members = ['rollup-1', 'rollup-2'].map(rollUp);
const WORK = [
  ...SAMPLERS,
  ...members.flatMap(({ poll, write }) => [
    [poll, 1000],
    [write, 10_000],
  ]),
];
const timers = WORK.map(([work, everyMs]) => {
  let busy = false;
  return setInterval(async () => {
    if (busy) return;
    busy = true;
    try {
      await work();
    } catch (error) {
      // The scrape fails while the gateway is away; the producer keeps what it has and goes on, and so do the members.
      if (work !== sampleGateway && !ending) failed ??= error;
    } finally {
      busy = false;
    }
    if (failed) await end(1);
  }, everyMs);
});

async function end(code) {
  if (ending) return;
  ending = true;
  for (const timer of timers) clearInterval(timer);
  if (failed) console.error(`telemetry: ${LogError.from(failed).code}: ${failed.message}`);
  for (const { close } of members) await close().catch((error) => console.error(`telemetry: ${error.message}`));
  await producer.close().catch((error) => console.error(`telemetry: ${error.message}`));
  await client.close();
  process.exit(code);
}
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void end(0));
