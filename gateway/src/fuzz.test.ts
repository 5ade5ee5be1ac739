import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLOSE_CODES, encodeBatch, encodeProduceFrame, PROTOCOL_NAME, parseDataFrame } from 'distributedlog/protocol';
import type { Log } from 'distributedlog/server';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { embeddedLog } from './backends/embedded/index.ts';
import { Fuzz } from './test-fuzz.ts';
import { ask, metric, openGateway, rawSocketOf, TestClient, testLog } from './test-support.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_260_601);
const ATTACKERS = 6;
const BURST = 150;

describe('the gateway under random and mutated frames', () => {
  it.each([
    [100_000, 'in memory', async () => testLog()],
    [20_000, 'embedded', temporaryLog],
  ])(
    `goes on serving others and fails at nothing: %i frames, log %s, seed ${SEED}`,
    { timeout: 60_000 },
    async (frames, _, openLog) => {
      console.info(`fuzz seed ${SEED}; FUZZ_SEED=… runs another`);
      const log = await openLog();
      const { topicId } = await log.createTopic({ name: 'target', partitions: 2 });
      const { gateway, logged } = await openGateway({
        log,
        // High enough for frames to get past the gates: the gates have tests of their own.
        limits: { maxMalformedFrames: 300, requestsPerSecond: 5_000, requestBurst: 5_000, helloTimeoutMs: 2_000 },
      });
      const startedAt = Date.now();
      let done = false;
      const honest = honestWork(gateway.url, () => done);
      const closes = new Map<number, number>();
      let sent = 0;
      let taken = 0;
      await Promise.all(
        Array.from({ length: ATTACKERS }, async (_, attacker) => {
          const fuzz = new Fuzz(SEED + attacker, topicId);
          while (taken < frames) {
            const ws = await dial(gateway.url);
            ws.on('close', (code) => closes.set(code, (closes.get(code) ?? 0) + 1));
            if (fuzz.chance(0.8)) ws.send(fuzz.hello());
            for (let burst = 0; burst < 10 && ws.readyState === WebSocket.OPEN; burst++) {
              for (let i = 0; i < BURST; i++) ws.send(fuzz.frame());
              sent += BURST;
              if (fuzz.chance(0.05)) rawSocketOf(ws).write(fuzz.bytes(fuzz.below(200)));
              await settled(ws);
            }
            if (fuzz.chance(0.5)) ws.close(1000);
            else ws.terminate();
            // What follows a frame that ends its connection is never taken, and does not count.
            taken = await metric(gateway, 'dlog_frames_total{direction="in"}');
          }
        }),
      );
      done = true;
      const rounds = await honest;
      const seconds = (Date.now() - startedAt) / 1000;
      console.info(`${sent} frames sent, ${taken} taken, ${rounds} honest rounds, ${seconds} s, closes`, closes);

      expect(rounds).toBeGreaterThan(frames / 10_000);
      expect(closes.get(CLOSE_CODES.PROTOCOL_VIOLATION.code)).toBeGreaterThan(0);
      expect(closes.get(CLOSE_CODES.INTERNAL.code)).toBeUndefined();
      expect(logged.filter((line) => line.level === 'error')).toEqual([]);
      expect((await ask(gateway, '/readyz')).status).toBe(200);
      expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('polluted');
      const after = await TestClient.greeted(gateway.url);
      await after.ping(1);
    },
  );
});

describe('the gateway under random HTTP requests and handshakes', () => {
  it(`answers or ends each of 2,000 and goes on (seed ${SEED})`, { timeout: 60_000 }, async () => {
    const staticDir = await temporaryDirectory();
    await writeFile(join(staticDir, 'index.html'), 'page');
    const { gateway, logged } = await openGateway({ staticDir, trustProxy: true });
    const { hostname, port, host } = new URL(gateway.httpUrl);
    const fuzz = new Fuzz(SEED, '');
    const honest = await TestClient.greeted(gateway.url);
    for (let round = 0; round < 100; round++) {
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          const socket = connect(Number(port), hostname);
          socket.on('error', () => {
            // The gateway may reset what is no HTTP.
          });
          socket.resume();
          socket.end(fuzz.request(host));
          await once(socket, 'close');
        }),
      );
      await honest.ping(round);
    }
    expect(logged.filter((line) => line.level === 'error')).toEqual([]);
    expect((await ask(gateway, '/')).body).toBe('page');
  });
});

async function temporaryDirectory(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'dlog-fuzz-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
async function temporaryLog(): Promise<Log> {
  return embeddedLog({ dir: await temporaryDirectory() });
}

/** Produces and reads back, one record at a time, until told to stop; returns how often. */
async function honestWork(url: string, isDone: () => boolean): Promise<number> {
  const client = await TestClient.greeted(url);
  client.send({ type: 'createTopic', id: 0, name: 'honest' });
  const { topicId } = (await client.next('createTopic')).topic;
  const limit = 2 ** 40;
  client.send({
    type: 'fetch',
    consumer: 1,
    isolation: 'read_uncommitted',
    minBytes: 1,
    maxWaitMs: 500,
    maxPartitionBytes: 2 ** 20,
    limit,
    partitions: [{ topicId, partition: 0, epoch: 0, offset: 0, limit }],
  });
  let round = 0;
  for (; !isDone(); round++) {
    const value = new TextEncoder().encode(`round ${round}`);
    const batch = encodeBatch([{ key: null, value, headers: [], timestamp: round }]);
    client.send(encodeProduceFrame(round, topicId, 0, batch));
    expect(await client.next('produce')).toMatchObject({ id: round, baseOffset: round });
    while (nextOffsetOf(client) < round + 1) await new Promise((resolve) => setImmediate(resolve));
    client.send({
      type: 'commit',
      id: round,
      groupId: 'honest',
      offsets: [{ topicId, partition: 0, offset: round + 1 }],
    });
    expect((await client.next('commit')).partitions).toEqual([{ topicId, partition: 0 }]);
    client.send({ type: 'committed', id: round, groupId: 'honest', partitions: [{ topicId, partition: 0 }] });
    expect((await client.next('committed')).partitions[0]?.offset).toBe(round + 1);
  }
  return round;
}
function nextOffsetOf(client: TestClient): number {
  const last = client.data.at(-1);
  return last === undefined ? 0 : parseDataFrame(last).nextOffset;
}

async function dial(url: string): Promise<WebSocket> {
  const ws = new WebSocket(url, PROTOCOL_NAME);
  ws.on('error', () => {
    // Expected of a socket that sends what no one may.
  });
  await new Promise((resolve) => {
    ws.on('open', resolve);
    ws.on('close', resolve);
  });
  return ws;
}
/** When the gateway has read all that was sent, or ended the connection. */
async function settled(ws: WebSocket): Promise<void> {
  if (ws.readyState !== WebSocket.OPEN) return;
  await new Promise((resolve) => {
    ws.once('pong', resolve);
    ws.once('close', resolve);
    ws.ping();
  });
}
