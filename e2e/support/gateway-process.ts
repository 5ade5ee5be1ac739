// A real `dlog gateway` process, on a directory of its own or on a Kafka, that a test can kill and start again on the same port.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const READY_TIMEOUT_MS = 20_000;

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export class GatewayProcess {
  readonly port: number;
  readonly dir: string;
  readonly #site: string | undefined;
  readonly #kafka: string | undefined;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(
    port: number,
    dir: string,
    site: string | undefined,
    kafka: string | undefined,
    args: readonly string[],
  ) {
    this.port = port;
    this.dir = dir;
    this.#site = site;
    this.#kafka = kafka;
    this.#args = args;
  }

  /** `site`: the directory it serves. */
  static async start(site: string, args: readonly string[] = []): Promise<GatewayProcess> {
    const gateway = new GatewayProcess(
      await freePort(),
      mkdtempSync(join(tmpdir(), 'dlog-e2e-')),
      site,
      undefined,
      args,
    );
    await gateway.start();
    return gateway;
  }

  /** In front of these brokers; it serves no pages. */
  static async startOnKafka(bootstrap: string, args: readonly string[] = []): Promise<GatewayProcess> {
    const dir = mkdtempSync(join(tmpdir(), 'dlog-e2e-'));
    const gateway = new GatewayProcess(await freePort(), dir, undefined, bootstrap, args);
    await gateway.start();
    return gateway;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }
  get httpUrl(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const child = spawn(
      process.execPath,
      [
        join(ROOT, 'gateway/bin/dlog.js'),
        'gateway',
        ...(this.#kafka === undefined ? ['--data', this.dir] : ['--kafka', this.#kafka]),
        '--port',
        String(this.port),
        ...(this.#site === undefined ? [] : ['--static', this.#site]),
        '--log-level',
        'error',
        ...this.#args,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#child = child;
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    const deadlineMs = Date.now() + READY_TIMEOUT_MS;
    while (!(await this.#ready())) {
      if (child.exitCode !== null) throw new Error(`the gateway exited with ${child.exitCode}:\n${output}`);
      if (Date.now() > deadlineMs) throw new Error(`the gateway is not ready after ${READY_TIMEOUT_MS} ms:\n${output}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async #ready(): Promise<boolean> {
    try {
      return (await fetch(`${this.httpUrl}/readyz`)).ok;
    } catch {
      return false;
    }
  }

  /** SIGKILL: nothing is flushed, nobody is told. */
  kill9(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** Bytes of batches it has sent of a topic, to whomever: its own counter. */
  async sentBytes(topic: string): Promise<number> {
    const metrics = await (await fetch(`${this.httpUrl}/metrics`)).text();
    const line = new RegExp(`^dlog_batch_bytes_total\\{topic="${topic}",direction="out"\\} (\\d+)$`, 'm').exec(metrics);
    if (!line) throw new Error(`the gateway counts nothing sent of ${topic}`);
    return Number(line[1]);
  }

  /** While it is down: its pages on its port, and nobody who answers their WebSocket. Resolves with how to end that. */
  async onlyPages(): Promise<() => Promise<void>> {
    const site = this.#site ?? this.dir;
    const types: Record<string, string> = { html: 'text/html', js: 'text/javascript', css: 'text/css' };
    const server = createHttpServer((request, response) => {
      const path = new URL(request.url ?? '/', this.httpUrl).pathname;
      const file = join(site, path === '/' ? 'index.html' : path);
      if (!existsSync(file)) return void response.writeHead(404).end();
      response.writeHead(200, { 'content-type': types[file.split('.').at(-1) ?? ''] ?? 'application/octet-stream' });
      response.end(readFileSync(file));
    });
    server.on('upgrade', (_request, socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    return async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    };
  }

  /** SIGTERM: a graceful drain. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await exited;
  }

  async dispose(): Promise<void> {
    await this.kill9();
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
