import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogError } from 'distributedlog/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startGateway } from './gateway.ts';
import { alteredLog, ask, metric, openGateway, TestClient, testLog } from './test-support.ts';

async function directory(files: Readonly<Record<string, string>>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'dlog-static-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(dir, name, '..'), { recursive: true });
    await writeFile(join(dir, name), content);
  }
  return dir;
}
async function refusal(work: Promise<unknown>): Promise<string> {
  const error = LogError.from(
    await work.then(
      () => undefined,
      (reason: unknown) => reason,
    ),
  );
  expect(error.code).toBe('INVALID_CONFIG');
  return error.message;
}

describe('health', () => {
  it('is told at /healthz and /readyz, whatever the Host', async () => {
    const { gateway } = await openGateway();
    for (const path of ['/healthz', '/readyz', '/healthz?verbose']) {
      const answer = await ask(gateway, path, { headers: { Host: 'probe.internal' } });
      expect(answer.status).toBe(200);
    }
  });
  it('is unready with the reason while the log cannot serve, and still alive', async () => {
    let problem: LogError | undefined;
    const log = alteredLog({ health: () => problem });
    const { gateway } = await openGateway({ log });
    expect((await ask(gateway, '/readyz')).status).toBe(200);
    problem = new LogError('KAFKA_STORAGE_ERROR', 'the disk is full');
    expect(await ask(gateway, '/readyz')).toMatchObject({
      status: 503,
      body: 'KAFKA_STORAGE_ERROR: the disk is full\n',
    });
    expect((await ask(gateway, '/healthz')).status).toBe(200);
  });
});

describe('plain HTTP', () => {
  it('knows GET and HEAD only', async () => {
    const { gateway } = await openGateway();
    const post = await ask(gateway, '/healthz', { method: 'POST' });
    expect(post).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
    expect(await ask(gateway, '/healthz', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
  });
  it('says in a 404 what there is', async () => {
    const { gateway } = await openGateway({ path: '/dlog' });
    const answer = await ask(gateway, '/');
    expect(answer.status).toBe(404);
    expect(answer.body).toContain('WebSocket at /dlog');
    expect(gateway.url).toBe(`${gateway.httpUrl.replace('http', 'ws')}/dlog`);
  });
  it('refuses a foreign Host with 421 and names it, so that a rebound name reads nothing', async () => {
    const { gateway } = await openGateway({ staticDir: await directory({ 'index.html': 'page' }) });
    for (const path of ['/', '/metrics', '/index.html']) {
      const answer = await ask(gateway, path, { headers: { Host: 'evil.example:9192' } });
      expect(answer.status).toBe(421);
      expect(answer.body).toContain('evil.example:9192');
    }
  });
});

describe('/metrics', () => {
  it('tells in the Prometheus format what went on', async () => {
    const { gateway } = await openGateway();
    const client = await TestClient.greeted(gateway.url);
    await client.ping(1);
    const { status, headers, body } = await ask(gateway, '/metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toContain('text/plain; version=0.0.4');
    for (const name of [
      'dlog_event_loop_delay_seconds',
      'dlog_log_healthy',
      'dlog_request_duration_seconds',
      'dlog_malformed_frames_total',
    ]) {
      expect(body).toContain(`# TYPE ${name} `);
    }
    expect(await metric(gateway, 'dlog_connections')).toBe(1);
    expect(await metric(gateway, 'dlog_frames_total{direction="in"}')).toBe(2);
    expect(await metric(gateway, 'dlog_frames_total{direction="out"}')).toBe(2);
    expect(await metric(gateway, 'dlog_bytes_total{direction="in"}')).toBeGreaterThan(50);
    client.ws.close(1000);
    await client.closed;
    while ((await metric(gateway, 'dlog_connections')) > 0);
    expect(await metric(gateway, 'dlog_closes_total{code="1000"}')).toBe(1);
  });

  it('tells how groups are: members connected and held, rebalances, members that came back', async () => {
    const { gateway, log } = await openGateway();
    await log.createTopic({ name: 't', partitions: 2 });
    const groups = async () => ({
      groups: await metric(gateway, 'dlog_groups'),
      connected: await metric(gateway, 'dlog_group_members{state="connected"}'),
      held: await metric(gateway, 'dlog_group_members{state="held"}'),
      rebalances: await metric(gateway, 'dlog_group_rebalances_total'),
      resumed: await metric(gateway, 'dlog_group_members_resumed_total'),
    });
    expect(await groups()).toEqual({ groups: 0, connected: 0, held: 0, rebalances: 0, resumed: 0 });
    const wishes = {
      groupId: 'g',
      topics: ['t'],
      sessionTimeoutMs: 60_000,
      rebalanceTimeoutMs: 60_000,
      maxPollIntervalMs: 60_000,
    };
    const joined = async (client: TestClient, member: { memberId?: string; resumeToken?: string } = {}) => {
      client.send({ type: 'join', id: 1, consumer: 0, ...wishes, ...member });
      const answer = await client.next('join');
      const partitions = answer.partitions.map((of) => ({ topicId: of.topicId, partitions: of.partitions }));
      client.send({ type: 'owned', consumer: 0, memberEpoch: answer.memberEpoch, partitions });
      await client.ping(2);
      return answer;
    };
    const client = await TestClient.greeted(gateway.url);
    const { memberId, resumeToken } = await joined(client);
    await joined(await TestClient.greeted(gateway.url));
    expect(await groups()).toEqual({ groups: 1, connected: 2, held: 0, rebalances: 2, resumed: 0 });
    client.ws.terminate();
    while ((await groups()).connected > 1);
    expect(await groups()).toEqual({ groups: 1, connected: 1, held: 1, rebalances: 2, resumed: 0 });
    await joined(await TestClient.greeted(gateway.url), { memberId, resumeToken: resumeToken ?? '' });
    expect(await groups()).toEqual({ groups: 1, connected: 2, held: 0, rebalances: 2, resumed: 1 });
  });
});

describe('staticDir', () => {
  const page = {
    'index.html': '<!doctype html>',
    'assets/app-B4x9kQ2_.js': 'run()',
    'assets/plain.js': 'run()',
    'app.wasm': 'w',
    '.env': 'secret',
  };

  it('serves the page with its policy, to be asked for again every time', async () => {
    const { gateway } = await openGateway({ staticDir: await directory(page) });
    for (const path of ['/', '/index.html', '/?topic=a']) {
      const { status, headers, body } = await ask(gateway, path);
      expect([status, body]).toEqual([200, '<!doctype html>']);
      expect(headers).toMatchObject({
        'content-type': 'text/html; charset=utf-8',
        'content-length': '15',
        'cache-control': 'no-cache',
        'x-content-type-options': 'nosniff',
      });
      expect(headers['content-security-policy']).toMatch(
        /script-src 'self' 'wasm-unsafe-eval';.*connect-src 'self' ws: wss:;/,
      );
    }
  });
  it('answers 304 to who has it', async () => {
    const { gateway } = await openGateway({ staticDir: await directory(page) });
    const { etag } = (await ask(gateway, '/')).headers;
    expect(await ask(gateway, '/', { headers: { 'If-None-Match': `"x", W/${etag}` } })).toMatchObject({
      status: 304,
      body: '',
    });
    expect((await ask(gateway, '/', { headers: { 'If-None-Match': '"x"' } })).status).toBe(200);
  });
  it('lets hashed assets be kept for ever, and only those', async () => {
    const { gateway } = await openGateway({ staticDir: await directory(page) });
    const cache = async (path: string) => (await ask(gateway, path)).headers['cache-control'];
    expect(await cache('/assets/app-B4x9kQ2_.js')).toBe('public, max-age=31536000, immutable');
    expect(await cache('/assets/plain.js')).toBe('no-cache');
  });
  it.each([
    ['/assets/plain.js', 'text/javascript; charset=utf-8'],
    ['/app.wasm', 'application/wasm'],
  ])('serves %s as %s', async (path, type) => {
    const { gateway } = await openGateway({ staticDir: await directory(page) });
    expect((await ask(gateway, path)).headers['content-type']).toBe(type);
    expect(await ask(gateway, path, { method: 'HEAD' })).toMatchObject({
      status: 200,
      body: '',
      headers: { 'content-type': type },
    });
  });
  it('serves nothing outside the directory, nothing hidden and no directory', async () => {
    const dir = await directory({
      'www/index.html': 'page',
      'www/.env': 'secret',
      'www/assets/a.js': '',
      'secret.txt': 'secret',
      'www2/a.txt': 'secret',
    });
    await symlink(join(dir, 'secret.txt'), join(dir, 'www/link.txt'));
    await symlink(join(dir, 'www2'), join(dir, 'www/linked'));
    const { gateway } = await openGateway({ staticDir: join(dir, 'www') });
    const paths = [
      '/../secret.txt',
      '/..%2fsecret.txt',
      '/%2e%2e/secret.txt',
      '/assets/../../secret.txt',
      '/..\\secret.txt',
      '/..%5csecret.txt',
      '/%2e%2e%2fwww2/a.txt',
      '/../www2/a.txt',
      '//secret.txt',
      '/link.txt',
      '/linked/a.txt',
      '/.env',
      '/%2eenv',
      '/assets',
      '/assets/',
      '/index.html%00.txt',
      '/%',
      '/%ff',
      '/nowhere',
      `/${'a/'.repeat(3000)}`,
      `/${'a'.repeat(5000)}`,
    ];
    for (const path of paths) {
      const { status, body } = await ask(gateway, path);
      expect([path, status]).toEqual([path, 404]);
      expect(body).not.toContain('secret\n');
    }
    expect((await ask(gateway, '/healthz')).status).toBe(200);
  });
  it('must be there and hold an index.html', async () => {
    const log = testLog();
    expect(await refusal(startGateway({ log, port: 0, staticDir: '/nowhere/at/all' }))).toBe(
      'staticDir /nowhere/at/all does not exist',
    );
    const dir = await directory({ 'other.html': '' });
    expect(await refusal(startGateway({ log, port: 0, staticDir: dir }))).toBe(`staticDir ${dir} has no index.html`);
  });
});

describe('startGateway', () => {
  it('says in one line that the port is taken', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void taken.close());
    const address = taken.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    expect(await refusal(startGateway({ log: testLog(), port }))).toMatch(
      new RegExp(`^port ${port} is in use on 127\\.0\\.0\\.1; [^\n]*$`),
    );
  });
  it("says that an address is not this machine's", async () => {
    const options = { log: testLog(), port: 0, host: '192.0.2.1', allowUnauthenticated: true };
    expect(await refusal(startGateway(options))).toBe('host 192.0.2.1 is not an address of this machine');
  });
  it('says that a certificate is none', async () => {
    const pem = '-----BEGIN NOTHING-----\n-----END NOTHING-----';
    expect(await refusal(startGateway({ log: testLog(), port: 0, tls: { cert: pem, key: pem } }))).toMatch(
      /^tls cannot be used: /,
    );
  });
  it('leaves the log open when it fails: it is still the caller’s', async () => {
    const log = testLog();
    await refusal(startGateway({ log, port: -1 }));
    await expect(log.createTopic({ name: 'a' })).resolves.toMatchObject({ name: 'a' });
  });
});
