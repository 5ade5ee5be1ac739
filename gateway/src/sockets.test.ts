import { once } from 'node:events';
import { connect } from 'node:net';
import { type ClientFrame, encodeBatch, LogError, parseDataFrame, type ServerFrameOf } from 'distributedlog/protocol';
import type { Log } from 'distributedlog/server';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startGateway } from './gateway.ts';
import { alteredLog, ask, askUpgrade, metric, openGateway, rawSocketOf, TestClient, testLog } from './test-support.ts';
import { TEST_CERT, TEST_KEY } from './test-tls.ts';

describe('the handshake', () => {
  it('welcomes a client that offers dlog.v1 and says hello', async () => {
    const { gateway, log } = await openGateway();
    const client = new TestClient(gateway.url);
    const welcome = await client.hello();
    expect(welcome).toMatchObject({ version: 1, logId: log.logId, server: { name: 'dlog-gateway' } });
    expect(client.ws.protocol).toBe('dlog.v1');
    expect(client.ws.extensions).toBe('');
  });
  it.each([{}, { 'Sec-WebSocket-Protocol': 'mqtt' }, { 'Sec-WebSocket-Protocol': 'dlog.v11, xdlog.v1' }])(
    'answers 400 with one clear line to a client that does not offer it: %j',
    async (headers) => {
      const { gateway } = await openGateway();
      const answer = await askUpgrade(gateway, { 'Sec-WebSocket-Protocol': '', ...headers });
      expect(answer).toMatchObject({ status: 400, body: 'the WebSocket subprotocol must be dlog.v1\n' });
    },
  );
  it('takes dlog.v1 out of several', async () => {
    const { gateway } = await openGateway();
    const answer = await askUpgrade(gateway, { 'Sec-WebSocket-Protocol': 'mqtt, dlog.v1' });
    expect(answer).toMatchObject({ status: 101, headers: { 'sec-websocket-protocol': 'dlog.v1' } });
  });
  it('answers 404 at another path and says where the WebSocket is', async () => {
    const { gateway } = await openGateway({ path: '/dlog' });
    expect(await askUpgrade(gateway, {}, '/')).toMatchObject({ status: 404, body: 'the WebSocket is at /dlog\n' });
    await TestClient.greeted(gateway.url);
    await TestClient.greeted(`${gateway.url}?a=b`);
  });
  it('speaks wss with a certificate', async () => {
    const { gateway } = await openGateway({ tls: { cert: TEST_CERT, key: TEST_KEY } });
    expect(gateway.url).toMatch(/^wss:\/\/127\.0\.0\.1:\d+$/);
    expect(gateway.httpUrl).toMatch(/^https:/);
    const options: object = { rejectUnauthorized: false };
    await TestClient.greeted(gateway.url, options);
  });
  it('leaves what is no WebSocket request to an HTTP status', async () => {
    const { gateway } = await openGateway();
    expect((await askUpgrade(gateway, { Upgrade: 'h2c' })).status).toBe(400);
    expect((await askUpgrade(gateway, { 'Sec-WebSocket-Key': 'x' })).status).toBe(400);
    expect((await askUpgrade(gateway, { 'Sec-WebSocket-Version': '99' })).status).toBe(400);
  });
});

describe('Origin and Host', () => {
  it('closes a foreign Origin with 4403 after the upgrade, since a page sees nothing of a refused one', async () => {
    const { gateway } = await openGateway();
    const client = new TestClient(gateway.url, { origin: 'https://evil.example' });
    await client.opened;
    const { code, reason } = await client.closed;
    expect(code).toBe(4403);
    expect(reason).toContain('https://evil.example');
    expect(await metric(gateway, 'dlog_connections_refused_total{reason="origin_forbidden"}')).toBe(1);
  });
  it('takes an Origin of allowedOrigins and its own', async () => {
    const { gateway } = await openGateway({ allowedOrigins: ['https://app.example'] });
    await TestClient.greeted(gateway.url, { origin: 'https://app.example' });
    await TestClient.greeted(gateway.url, { origin: gateway.httpUrl });
    expect((await new TestClient(gateway.url, { origin: 'https://app.example.evil' }).closed).code).toBe(4403);
  });
  it('survives an Origin that fits no close frame', async () => {
    const { gateway } = await openGateway();
    const origin = `https://${'é'.repeat(200)}.example`;
    const client = new TestClient(gateway.url, { origin: encodeURI(origin) });
    expect((await client.closed).code).toBe(4403);
  });
  it('refuses the upgrade of a foreign Host with 421', async () => {
    const { gateway } = await openGateway();
    const answer = await askUpgrade(gateway, { Host: 'rebound.example:9192' });
    expect(answer.status).toBe(421);
    expect(answer.body).toContain('rebound.example:9192');
  });
  it('takes a Host of allowedHosts', async () => {
    const { gateway } = await openGateway({ allowedHosts: ['logs.example'] });
    expect((await askUpgrade(gateway, { Host: 'logs.example' })).status).toBe(101);
  });
});

describe('limits', () => {
  it('closes the connection over maxConnectionsPerAddress with 4530, and takes one when another has left', async () => {
    const { gateway } = await openGateway({ limits: { maxConnectionsPerAddress: 2 } });
    const first = await TestClient.greeted(gateway.url);
    await TestClient.greeted(gateway.url);
    expect(await new TestClient(gateway.url).closed).toEqual({
      code: 4530,
      reason: 'this address has its limit of 2 connections',
    });
    first.ws.close();
    await first.closed;
    while ((await metric(gateway, 'dlog_connections')) > 1);
    await TestClient.greeted(gateway.url);
  });
  it('closes the connection over maxConnections with 4530', async () => {
    const { gateway } = await openGateway({ limits: { maxConnections: 1 } });
    await TestClient.greeted(gateway.url);
    expect((await new TestClient(gateway.url).closed).code).toBe(4530);
  });
  it('counts the addresses that a trusted proxy tells', async () => {
    const { gateway } = await openGateway({ trustProxy: true, limits: { maxConnectionsPerAddress: 1 } });
    await TestClient.greeted(gateway.url, { headers: { 'X-Forwarded-For': '10.0.0.1' } });
    await TestClient.greeted(gateway.url, { headers: { 'X-Forwarded-For': '10.0.0.2' } });
    const third = new TestClient(gateway.url, { headers: { 'X-Forwarded-For': '10.0.0.3, 10.0.0.1' } });
    expect((await third.closed).code).toBe(4530);
  });
  it('closes a text frame over maxTextFrameBytes with 1009, not one at it', async () => {
    const { gateway } = await openGateway();
    const client = await TestClient.greeted(gateway.url);
    const padded = (bytes: number) => JSON.stringify({ type: 'ping', id: 1 }).padEnd(bytes);
    client.send(padded(64 * 1024));
    expect((await client.next('ping')).id).toBe(1);
    client.send(padded(64 * 1024 + 1));
    expect((await client.closed).code).toBe(1009);
  });
  it('closes any frame over maxFrameBytes with 1009, not one at it', async () => {
    const { gateway } = await openGateway({ limits: { maxFrameBytes: 100_000 } });
    const client = await TestClient.greeted(gateway.url);
    client.send(new Uint8Array(100_000));
    expect((await client.next('error')).code).toBe('INVALID_REQUEST');
    client.send(new Uint8Array(100_001));
    expect((await client.closed).code).toBe(1009);
  });
  it('closes who says no hello with 4508', async () => {
    const { gateway } = await openGateway({ limits: { helloTimeoutMs: 50 } });
    expect((await new TestClient(gateway.url).closed).code).toBe(4508);
  });
  it('closes who answers no heartbeat with 4508, and not who does', async () => {
    const { gateway } = await openGateway({ limits: { heartbeatIntervalMs: 50, heartbeatTimeoutMs: 50 } });
    const alive = await TestClient.greeted(gateway.url);
    const dead = new TestClient(gateway.url);
    await dead.hello();
    dead.ws.removeAllListeners('message');
    expect((await dead.closed).code).toBe(4508);
    await alive.ping(1);
  });
  it('ends connections that never finish their request', async () => {
    const { gateway } = await openGateway({ limits: { helloTimeoutMs: 100 } });
    const { hostname, port } = new URL(gateway.httpUrl);
    const socket = connect(Number(port), hostname);
    onTestFinished(() => void socket.destroy());
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    const text = await new Promise<string>((resolve) => {
      let all = '';
      socket.on('data', (bytes) => {
        all += bytes;
      });
      socket.on('close', () => resolve(all));
    });
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
  });
});

describe('a slow reader', () => {
  it('is closed with 4531, and no one else notices', async () => {
    const { gateway, log } = await openGateway({ limits: { stallTimeoutMs: 300 } });
    const { topicId } = await filledTopic(log, 600);
    const other = await TestClient.greeted(gateway.url);
    const slow = await TestClient.greeted(gateway.url);
    slow.send(fetchAll(topicId));
    await slow.next('feed');
    slow.ws.pause();
    for (let id = 1; (await metric(gateway, 'dlog_closes_total{code="4531"}')) === 0; id++) await other.ping(id);
    expect(other.ws.readyState).toBe(other.ws.OPEN);
  });
  it('that takes a little now and then is left alone, and gets everything', async () => {
    const { gateway, log } = await openGateway({ limits: { stallTimeoutMs: 500 } });
    const { topicId } = await filledTopic(log, 300);
    const client = await TestClient.greeted(gateway.url);
    let taken = 0;
    let pauseAt = 0;
    rawSocketOf(client.ws).on('data', (bytes) => {
      taken += bytes.length;
      if (taken > pauseAt) client.ws.pause();
    });
    const drip = setInterval(() => {
      pauseAt = taken + 1024 * 1024;
      client.ws.resume();
    }, 100);
    onTestFinished(() => clearInterval(drip));
    const startedAt = Date.now();
    client.send(fetchAll(topicId));
    const nextOffset = () => Math.max(0, ...client.data.slice(-1).map((frame) => parseDataFrame(frame).nextOffset));
    while (nextOffset() < 300)
      await Promise.race([
        once(client.ws, 'message'),
        client.closed.then((close) => expect.unreachable(`closed ${close.code}`)),
      ]);
    expect(Date.now() - startedAt).toBeGreaterThan(1_000);
  });
});

describe('isolation', () => {
  it('keeps the failure of one socket from the others', async () => {
    const { gateway, logged } = await openGateway();
    const good = await TestClient.greeted(gateway.url);
    const reset = await TestClient.greeted(gateway.url);
    const broken = await TestClient.greeted(gateway.url);
    const { hostname, port } = new URL(gateway.httpUrl);
    // A frame that the WebSocket protocol itself forbids: a reserved opcode, unmasked.
    broken.ws.on('error', () => {});
    rawSocketOf(broken.ws).write(Buffer.from([0x83, 0x05, 1, 2, 3, 4, 5]));
    rawSocketOf(reset.ws).resetAndDestroy();
    const nonsense = connect(Number(port), hostname);
    nonsense.on('error', () => {});
    nonsense.end('\x16\x03\x01 this is no HTTP\r\n\r\n');
    expect((await broken.closed).code).toBe(1002);
    await good.ping(1);
    while ((await metric(gateway, 'dlog_connections')) > 1);
    await good.ping(2);
    expect(logged.filter((line) => line.level === 'error')).toEqual([]);
  });
  it('answers a log that fails in unexpected ways with an error, and goes on', async () => {
    const log = alteredLog({
      topics: () => Promise.reject(new TypeError('a defect')),
      createTopic: () => {
        throw new TypeError('another defect');
      },
    });
    const { gateway } = await openGateway({ log });
    const client = await TestClient.greeted(gateway.url);
    client.send({ type: 'metadata', id: 1 });
    expect(await client.next('error')).toMatchObject({ id: 1, code: 'UNKNOWN_SERVER_ERROR' });
    client.send({ type: 'createTopic', id: 2, name: 'a' });
    expect(await client.next('error')).toMatchObject({ id: 2, code: 'UNKNOWN_SERVER_ERROR' });
    await client.ping(3);
  });
});

describe('the log of the gateway', () => {
  it('names each session with address, client, code and duration when it ends', async () => {
    const { gateway, logged } = await openGateway();
    const client = await TestClient.greeted(gateway.url);
    client.ws.close(1000);
    await client.closed;
    while (!logged.some((line) => line.message === 'session closed')) await ask(gateway, '/healthz');
    expect(logged.find((line) => line.message === 'session closed')?.fields).toMatchObject({
      address: '127.0.0.1',
      clientId: 'test',
      code: 1000,
      durationMs: expect.any(Number),
    });
  });
  it('never holds a token', async () => {
    const { gateway, logged } = await openGateway();
    const client = new TestClient(gateway.url);
    await client.opened;
    client.send({ type: 'hello', versions: [1], token: 'sesame-open' });
    await client.next('welcome');
    client.send('{"type":"hello","token":"sesame-open","nonsense":1}');
    await client.next('error');
    client.send({ type: 'hello', versions: [9], token: 'sesame-open' });
    await client.next('error');
    await gateway.close({ drainMs: 0 });
    expect(JSON.stringify(logged)).not.toContain('sesame');
  });
});

describe('close', () => {
  it('tells everyone when to come back, waits for those who go, and closes the log', async () => {
    const log = testLog();
    const { gateway } = await openGateway({ log });
    const clients = await Promise.all([1, 2, 3].map(() => TestClient.greeted(gateway.url)));
    const closing = gateway.close({ drainMs: 10_000 });
    for (const client of clients) {
      const goaway: ServerFrameOf<'goaway'> = await client.next('goaway');
      expect(goaway.closeInMs).toBe(10_000);
      expect(goaway.reconnectAfterMs).toBeLessThanOrEqual(10_000);
      expect(await ask(gateway, '/readyz')).toMatchObject({ status: 503, body: 'draining\n' });
      expect((await ask(gateway, '/healthz')).status).toBe(200);
      expect((await askUpgrade(gateway, {})).status).toBe(503);
      await client.ping(1);
      client.ws.close(1000);
    }
    await closing;
    await expect(log.createTopic({ name: 'late' })).rejects.toBeInstanceOf(LogError);
    await expect(ask(gateway, '/healthz')).rejects.toThrow('ECONNREFUSED');
  });
  it('closes with 4503 who is still there after drainMs', async () => {
    const { gateway } = await openGateway();
    const client = await TestClient.greeted(gateway.url);
    const idle = new TestClient(gateway.url);
    await idle.opened;
    await gateway.close({ drainMs: 20 });
    expect((await client.closed).code).toBe(4503);
    expect((await idle.closed).code).toBe(4503);
  });
  it('ends also when a client neither reads nor answers', async () => {
    const { gateway } = await openGateway();
    const client = await TestClient.greeted(gateway.url);
    client.ws.pause();
    await gateway.close({ drainMs: 20 });
  });
  it('is idempotent', async () => {
    const { gateway } = await openGateway();
    const first = gateway.close();
    expect(gateway.close({ drainMs: 5 })).toBe(first);
    await first;
    await gateway.close();
  });
  it('frees its port', async () => {
    const { gateway } = await openGateway();
    await TestClient.greeted(gateway.url);
    await gateway.close({ drainMs: 0 });
    const again = await startGateway({ log: testLog(), port: Number(new URL(gateway.httpUrl).port), logger: silent });
    await again.close();
  });
});

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** A topic with that many batches of 64 KiB. */
async function filledTopic(log: Log, batches: number): Promise<{ topicId: string }> {
  const { topicId } = await log.createTopic({ name: 'filled' });
  const value = new Uint8Array(64 * 1024 - 100);
  for (let i = 0; i < batches; i++) {
    const record = { key: null, value, headers: [], timestamp: 0 };
    await log.append({ topicId, partition: 0 }, encodeBatch([record]));
  }
  return { topicId };
}
function fetchAll(topicId: string): ClientFrame {
  const limit = 2 ** 40;
  return {
    type: 'fetch',
    consumer: 1,
    isolation: 'read_uncommitted',
    minBytes: 1,
    maxWaitMs: 500,
    maxPartitionBytes: 1024 * 1024,
    limit,
    partitions: [{ topicId, partition: 0, epoch: 0, offset: 0, limit }],
  };
}
