// How smooth the dashboard stays at 20,000 records a second: long tasks (over 50 ms) and frames while a real producer streams into it, next to the same page idle.
// `npm run build`, then `node e2e/measure/long-tasks.mjs [--rate 20000] [--seconds 30] [--partitions 4] [--json]`. Figures, no verdict: a busy machine makes its own long tasks.
import { fork, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TOPIC = 'load';
const IDLE_SECONDS = 10;
const TICK_MS = 10;
/** The longest values at this length; the shortest have half of it. */
const MAX_VALUE_BYTES = 200;

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '20000' },
    seconds: { type: 'string', default: '30' },
    partitions: { type: 'string', default: '4' },
    json: { type: 'boolean', default: false },
    produce: { type: 'string' },
  },
});
const [rate, seconds, partitions] = [values.rate, values.seconds, values.partitions].map(Number);

/** The producer, in a process of its own: JSON of 100 to 200 bytes at an even rate, whatever its timers do. */
async function produce(url) {
  const { Producer } = await import('distributedlog');
  const producer = new Producer({ bootstrapServers: url });
  const startedAt = performance.now();
  let sent = 0;
  let failure;
  const total = rate * seconds;
  while (sent < total && failure === undefined) {
    const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1000) * rate));
    for (; sent < due; sent++) {
      const head = `{"id":${sent},"at":${Date.now()},"host":"host-${sent % 50}","status":${sent % 7 ? 200 : 404},"path":"`;
      const length = MAX_VALUE_BYTES / 2 + (sent % (MAX_VALUE_BYTES / 2));
      const value = `${head}${'/item'.repeat(40).slice(0, Math.max(1, length - head.length - 2))}"}`;
      producer.send({ topic: TOPIC, key: `key-${sent % 1000}`, value }).catch((error) => {
        failure ??= error;
      });
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  await producer.close();
  if (failure !== undefined) throw failure;
  process.send({ sent, seconds: (performance.now() - startedAt) / 1000 });
  process.disconnect();
}

/** Runs in the page before anything of it: every long task and every frame is noted. */
function observe() {
  window.measured = { longTasks: [], frames: [] };
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) window.measured.longTasks.push({ startTime, duration });
  }).observe({ type: 'longtask', buffered: true });
  const frame = (now) => {
    window.measured.frames.push(now);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

async function startGateway(dir) {
  const gateway = spawn(
    process.execPath,
    [
      ...[join(ROOT, 'gateway/bin/dlog.js'), 'gateway', '--data', dir, '--port', '0', '--log-level', 'error'],
      ...['--static', join(ROOT, 'examples/web/dist')],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const url = await new Promise((resolve, reject) => {
    gateway.stdout.on('data', (chunk) => {
      const found = /ws:\/\/[^\s,]+/.exec(String(chunk));
      if (found) resolve(found[0]);
    });
    gateway.once('exit', (code) => reject(new Error(`the gateway ended with ${code}`)));
  });
  return { gateway, url };
}

async function measure() {
  const { chromium } = await import('playwright');
  const { Admin } = await import('distributedlog');
  const { ensureBrowser, LAUNCH_ARGS } = await import('../../scripts/lib/browser.mjs');
  const say = (text) => (values.json ? undefined : console.log(text));
  const dir = mkdtempSync(join(tmpdir(), 'dlog-measure-'));
  const { gateway, url } = await startGateway(dir);
  let browser;
  try {
    const admin = new Admin({ bootstrapServers: url });
    await admin.createTopic({ name: TOPIC, partitions });
    await admin.close();
    browser = await chromium.launch({ executablePath: await ensureBrowser(), args: LAUNCH_ARGS });
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    await page.addInitScript(observe);
    await page.goto(`${url.replace('ws', 'http')}/?topics=${TOPIC}&from=latest`);
    await page.getByTestId(`position-${TOPIC}-0`).getByText('0').waitFor();
    const total = async () => Number(await page.getByTestId('records-total').getAttribute('value'));

    await page.waitForTimeout(2_000);
    const load = await taken(page);
    say(`The page is idle for ${IDLE_SECONDS} s…`);
    await page.waitForTimeout(IDLE_SECONDS * 1000);
    const idle = await taken(page);

    say(`${rate} records/s for ${seconds} s…`);
    const arguments_ = ['--produce', url, '--rate', String(rate), '--seconds', String(seconds)];
    const producer = fork(fileURLToPath(import.meta.url), arguments_);
    const sent = new Promise((resolve, reject) => {
      producer.once('message', resolve);
      producer.once('exit', (code) => code !== 0 && reject(new Error(`the producer ended with ${code}`)));
    });
    const produced = await sent;
    const atEnd = await total();
    await page.waitForFunction(
      (wanted) => Number(document.querySelector('[data-testid=records-total]').value) >= wanted,
      produced.sent,
      { timeout: 60_000 },
    );
    const streaming = await taken(page);

    const rows = { load: summary(load), idle: summary(idle), streaming: summary(streaming) };
    const facts = {
      produced: produced.sent,
      producedPerSecond: Math.round(produced.sent / produced.seconds),
      shown: await total(),
      behindAtEnd: produced.sent - atEnd,
    };
    if (values.json) console.log(JSON.stringify({ ...facts, ...rows }));
    else {
      console.table(rows);
      say(
        `${facts.produced} records in ${produced.seconds.toFixed(1)} s (${facts.producedPerSecond}/s); shown: ${facts.shown}; ` +
          `not shown yet when the last was acknowledged: ${facts.behindAtEnd}`,
      );
    }
  } finally {
    await browser?.close();
    gateway.removeAllListeners('exit');
    gateway.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** What was noted since the last call. */
const taken = (page) =>
  page.evaluate(() => ({ longTasks: window.measured.longTasks.splice(0), frames: window.measured.frames.splice(0) }));

function summary({ longTasks, frames }) {
  const durations = longTasks.map(({ duration }) => duration);
  const gaps = frames.slice(1).map((now, index) => now - frames[index]);
  const seconds = ((frames.at(-1) ?? 0) - (frames[0] ?? 0)) / 1000;
  return {
    seconds: Math.round(seconds),
    'long tasks': durations.length,
    'longest ms': Math.round(Math.max(0, ...durations)),
    'over 50 ms in all, ms': Math.round(durations.reduce((sum, duration) => sum + duration - 50, 0)),
    'frames/s': Math.round(gaps.length / Math.max(seconds, 0.001)),
    'longest frame ms': Math.round(Math.max(0, ...gaps)),
  };
}

if (values.produce === undefined) await measure();
else await produce(values.produce);
