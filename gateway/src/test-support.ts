// What the tests of a gateway's sockets share: a gateway that ends with its test, and a client that speaks the wire by hand.
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { Socket } from 'node:net';
import { systemClock } from 'distributedlog/core';
import {
  type ClientFrame,
  encodeClientFrame,
  PROTOCOL_NAME,
  parseServerFrame,
  type ServerFrame,
  type ServerFrameOf,
} from 'distributedlog/protocol';
import { type Log, memoryLog } from 'distributedlog/server';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { type Gateway, startGateway } from './gateway.ts';
import type { GatewayOptions, Logger } from './options.ts';

interface Logged {
  readonly level: keyof Logger;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}
export interface TestGateway {
  readonly gateway: Gateway;
  readonly log: Log;
  /** All that it logged so far. */
  readonly logged: readonly Logged[];
}

export function testLog(): Log {
  return memoryLog({ clock: systemClock, random: Math.random });
}
/** The in-memory log, but for some of its methods. */
export function alteredLog(methods: Partial<Log>): Log {
  return new Proxy(testLog(), {
    get(log, key) {
      if (Object.hasOwn(methods, key)) return Reflect.get(methods, key);
      const value: unknown = Reflect.get(log, key);
      return typeof value === 'function' ? value.bind(log) : value;
    },
  });
}

/** On a free port, with the in-memory log; closed with the test. */
export async function openGateway(options: Partial<GatewayOptions> = {}): Promise<TestGateway> {
  const log = options.log ?? testLog();
  const logged: Logged[] = [];
  const note = (level: keyof Logger) => (fields: object, message: string) => {
    logged.push({ level, fields: { ...fields }, message });
  };
  const logger = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  const gateway = await startGateway({ port: 0, logger, ...options, log });
  onTestFinished(() => gateway.close({ drainMs: 0 }));
  return { gateway, log, logged };
}

export interface DialOptions {
  readonly origin?: string;
  readonly headers?: Record<string, string>;
  readonly protocol?: string;
}

export class TestClient {
  readonly ws: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly opened: Promise<void>;
  readonly data: Uint8Array[] = [];
  readonly #frames: ServerFrame[] = [];
  #wake = () => {};
  #gone = false;

  constructor(url: string, options: DialOptions = {}) {
    const { protocol = PROTOCOL_NAME, ...rest } = options;
    this.ws = new WebSocket(url, protocol, rest);
    this.ws.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary) this.data.push(data);
      else this.#take(parseServerFrame(data.toString()) ?? fail(`unknown frame ${data}`));
    });
    this.ws.on('error', () => {
      // 'close' follows, and tests look at that.
    });
    this.closed = new Promise((resolve) => {
      this.ws.on('close', (code, reason) => {
        this.#gone = true;
        this.#wake();
        resolve({ code, reason: reason.toString() });
      });
    });
    this.opened = new Promise((resolve) => this.ws.on('open', () => resolve()));
    onTestFinished(() => this.ws.terminate());
  }

  /** A client that has been welcomed. */
  static async greeted(url: string, options: DialOptions = {}): Promise<TestClient> {
    const client = new TestClient(url, options);
    await client.hello();
    return client;
  }

  async hello(): Promise<ServerFrameOf<'welcome'>> {
    await Promise.race([this.opened, this.closed]);
    this.send({ type: 'hello', versions: [1], clientId: 'test' });
    return this.next('welcome');
  }
  send(frame: ClientFrame | Uint8Array | string): void {
    this.ws.send(typeof frame === 'string' || frame instanceof Uint8Array ? frame : encodeClientFrame(frame));
  }
  /** The next frame of that type; those before it are dropped. */
  async next<T extends ServerFrame['type']>(type: T): Promise<ServerFrameOf<T>> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) {
        if (isOf(frame, type)) return frame;
        continue;
      }
      if (this.#gone) throw new Error(`closed while waiting for ${type}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
  async ping(id: number): Promise<void> {
    this.send({ type: 'ping', id });
    while ((await this.next('ping')).id !== id);
  }

  #take(frame: ServerFrame): void {
    if (frame.type === 'heartbeat') this.send({ type: 'heartbeat' });
    this.#frames.push(frame);
    this.#wake();
  }
}

function isOf<T extends ServerFrame['type']>(frame: ServerFrame, type: T): frame is ServerFrameOf<T> {
  return frame.type === type;
}

function fail(message: string): never {
  throw new Error(message);
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}
/** Over plain HTTP, with any Host; the path is sent as it is. */
export function ask(
  gateway: Gateway,
  path: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(gateway.httpUrl);
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: hostname, port, path, agent: false, ...options }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    request.on('error', reject);
    request.end();
  });
}
/** A WebSocket handshake by hand; resolves with the HTTP answer, 101 included. */
export function askUpgrade(gateway: Gateway, headers: Record<string, string>, path = '/'): Promise<Answer> {
  const { hostname, port } = new URL(gateway.httpUrl);
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      host: hostname,
      port,
      path,
      headers: {
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Protocol': PROTOCOL_NAME,
        ...headers,
      },
    });
    request.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve({ status: 101, headers: response.headers, body: '' });
    });
    request.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    request.on('error', reject);
    request.end();
  });
}

/** The value of a metric in the text of /metrics; 0 where it does not stand there. */
export async function metric(gateway: Gateway, name: string): Promise<number> {
  const { body } = await ask(gateway, '/metrics');
  const line = body.split('\n').find((text) => text.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

/** The TCP socket under a client's WebSocket, to write what `ws` would not. */
export function rawSocketOf(ws: WebSocket): Socket {
  const socket: unknown = Reflect.get(ws, '_socket');
  return socket instanceof Socket ? socket : fail('the WebSocket has no socket');
}
