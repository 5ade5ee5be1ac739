import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { brokers, describeWithKafka, unique } from '../backends/kafka/test-kafka.ts';
import { TestClient } from '../test-support.ts';

// The command as users run it, hence from the build.
const BIN = process.env['DLOG_BIN'] ?? fileURLToPath(new URL('../../bin/dlog.js', import.meta.url));
const BUILT = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

interface Run {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

function dlog(...args: readonly string[]): Run {
  return dlogWith({}, ...args);
}
function dlogWith(env: NodeJS.ProcessEnv, ...args: readonly string[]): Run {
  const child = spawn(process.execPath, [BIN, 'gateway', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const ended = new Promise<number | string>((resolve) => {
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { child, stdout: () => stdout, stderr: () => stderr, ended };
}
/** A gateway on a free port; resolves with its address once it has printed it. */
function started(dir: string, ...args: readonly string[]): Promise<Run & { url: string }> {
  return printed(dlog('--data', dir, '--port', '0', '--log-level', 'error', ...args));
}
async function printed(run: Run): Promise<Run & { url: string }> {
  while (!run.stdout().includes('\n')) {
    await Promise.race([once(run.child.stdout ?? run.child, 'data'), run.ended]);
    if (run.child.exitCode !== null) throw new Error(`ended with ${run.child.exitCode}: ${run.stderr()}`);
  }
  const url = /ws:\/\/\S+:\d+/.exec(run.stdout())?.[0];
  if (url === undefined) throw new Error(`no address in ${run.stdout()}`);
  return { ...run, url };
}
/** Lines of the gateway's own log, as they come. */
async function logged(run: Run, message: RegExp): Promise<void> {
  while (!message.test(run.stderr())) {
    await Promise.race([once(run.child.stderr ?? run.child, 'data'), run.ended]);
    if (run.child.exitCode !== null) throw new Error(`ended with ${run.child.exitCode}: ${run.stderr()}`);
  }
}
async function temporaryDirectory(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'dlog-command-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

describe('dlog gateway', () => {
  beforeAll(() => {
    if (!existsSync(BUILT)) throw new Error('these tests run the build: npm run build');
  });

  it('prints one line with its address, serves, drains on SIGTERM and keeps its data', async () => {
    const dir = join(await temporaryDirectory(), 'made', 'by', 'it');
    const first = await started(dir, '--partitions', '3');
    expect(first.stdout()).toBe(`dlog gateway listens on ${first.url}, data in ${dir}\n`);
    const client = await TestClient.greeted(first.url);
    client.send({ type: 'metadata', id: 1, topics: ['made-by-asking'], autoCreate: true });
    expect((await client.next('metadata')).topics[0]?.partitions).toHaveLength(3);
    first.child.kill('SIGTERM');
    expect((await client.next('goaway')).reconnectAfterMs).toBeGreaterThanOrEqual(0);
    client.ws.close(1000);
    expect(await first.ended).toBe(0);
    expect(first.stderr()).toBe('');

    const second = await started(dir, '--no-auto-create');
    const again = await TestClient.greeted(second.url);
    again.send({ type: 'metadata', id: 1, topics: ['made-by-asking', 'not-this-one'], autoCreate: true });
    expect((await again.next('metadata')).topics.map((topic) => topic.name)).toEqual(['made-by-asking']);
  });

  it('stops at once on a second signal', async () => {
    const run = await started(await temporaryDirectory());
    const client = await TestClient.greeted(run.url);
    run.child.kill('SIGINT');
    await client.next('goaway');
    run.child.kill('SIGINT');
    expect(await run.ended).toBe(130);
  });

  it('reads its settings from a file, and flags win', async () => {
    const dir = await temporaryDirectory();
    const file = join(dir, 'dlog.json');
    await writeFile(file, JSON.stringify({ port: 1, path: '/live', limits: { helloTimeoutMs: 50 } }));
    const run = await started(join(dir, 'data'), '--config', file);
    expect(new URL(run.url).port).not.toBe('1');
    const silent = new TestClient(`${run.url}/live`);
    expect((await silent.closed).code).toBe(4508);
  });

  it('says in one line that the port or the data directory is taken', async () => {
    const dir = await temporaryDirectory();
    const run = await started(join(dir, 'a'));
    const port = new URL(run.url).port;
    const samePort = dlog('--data', join(dir, 'b'), '--port', port);
    expect(await samePort.ended).not.toBe(0);
    expect(samePort.stderr()).toMatch(new RegExp(`^dlog gateway: port ${port} is in use [^\n]*\n$`));
    const sameDir = dlog('--data', join(dir, 'a'), '--port', '0');
    expect(await sameDir.ended).not.toBe(0);
    expect(sameDir.stderr()).toMatch(/^dlog gateway: [^\n]*in use by process \d+[^\n]*\n$/);
    await TestClient.greeted(run.url);
  });

  it.each([
    [['--kafka', 'localhost:9092'], 'data and kafka exclude each other'],
    [['--kafka-tls'], 'flags that begin with --kafka- need --kafka BROKERS'],
    [['--kafka-ca', '/nowhere.pem'], '--kafka-ca /nowhere.pem cannot be read'],
    [['--host', '0.0.0.0'], '--allow-unauthenticated'],
    [['--port', 'http'], 'port must be an integer from 0 to 65,535, got "http"'],
    [['--retention-ms', '-5'], 'retentionMs must be an integer'],
    [['--allowed-origin', 'app.example'], 'allowedOrigins'],
    [['--log-level', 'loud'], "logLevel must be 'debug' or"],
    [['--config', '/nowhere.json'], '/nowhere.json cannot be read'],
    [['--static', '/nowhere'], 'staticDir /nowhere does not exist'],
  ])('refuses %j in one line and with a failing exit code', async (args, message) => {
    const run = dlog('--data', join(await temporaryDirectory(), 'data'), '--port', '0', ...args);
    expect(await run.ended).not.toBe(0);
    expect(run.stdout()).toBe('');
    expect(run.stderr()).toMatch(/^dlog gateway: [^\n]*\n$/);
    expect(run.stderr()).toContain(message);
  });
});

describe('dlog gateway --kafka', () => {
  it('is up while no broker can be reached, and says why it is not ready', async () => {
    // A port that was just free: nobody answers there.
    const nobody = createServer().listen(0, '127.0.0.1');
    await once(nobody, 'listening');
    const { port } = nobody.address() as AddressInfo;
    await new Promise((resolve) => nobody.close(resolve));
    const run = await printed(dlog('--kafka', `127.0.0.1:${port}`, '--port', '0', '--log-level', 'warn'));
    expect(run.stdout()).toBe(`dlog gateway listens on ${run.url}, Kafka at 127.0.0.1:${port}\n`);
    const answer = await fetch(`${run.url.replace('ws:', 'http:')}/readyz`);
    expect(answer.status).toBe(503);
    expect(await answer.text()).toContain(`127.0.0.1:${port}`);
    await logged(run, /"msg":"the log cannot be served: /);
    run.child.kill('SIGTERM');
    expect(await run.ended).toBe(0);
  });

  it('never prints a secret', async () => {
    const secret = 'a secret that is nowhere to be seen';
    const env = {
      DLOG_KAFKA_SASL_MECHANISM: 'PLAIN',
      DLOG_KAFKA_USERNAME: 'dlog',
      DLOG_KAFKA_PASSWORD: secret,
      DLOG_RESUME_SECRET: secret,
    };
    const args = ['--kafka', '127.0.0.1:1', '--port', '0', '--log-level', 'debug'];
    const run = await printed(dlogWith(env, ...args));
    await logged(run, /"msg":"the log cannot be served: /);
    run.child.kill('SIGTERM');
    await run.ended;
    expect(run.stdout() + run.stderr()).not.toContain(secret);
  });
});

describeWithKafka('dlog gateway --kafka, on a broker', () => {
  it('serves the cluster: it is ready, creates topics when asked to, and drains on SIGTERM', async () => {
    const kafka = brokers.join(',');
    const run = await printed(
      dlog('--kafka', kafka, '--auto-create', '--partitions', '3', '--port', '0', '--log-level', 'error'),
    );
    expect(run.stdout()).toBe(`dlog gateway listens on ${run.url}, Kafka at ${kafka}\n`);
    expect((await fetch(`${run.url.replace('ws:', 'http:')}/readyz`)).status).toBe(200);
    const client = await TestClient.greeted(run.url);
    const topic = unique('made-by-asking');
    client.send({ type: 'metadata', id: 1, topics: [topic], autoCreate: true });
    expect((await client.next('metadata')).topics[0]?.partitions).toHaveLength(3);
    client.ws.close(1000);
    run.child.kill('SIGTERM');
    expect(await run.ended).toBe(0);
    expect(run.stderr()).toBe('');
  });
});
