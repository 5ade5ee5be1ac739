import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { shortReason, WebSocketPort } from './socket.ts';
import { rawSocketOf } from './test-support.ts';

interface Pair {
  readonly port: WebSocketPort;
  readonly server: WebSocket;
  readonly client: WebSocket;
  readonly failures: unknown[];
}

/** A port and the client at its other end. */
async function connect(pauseReadingAboveBytes = 1e9): Promise<Pair> {
  const http: Server = createServer();
  const webSockets = new WebSocketServer({ noServer: true });
  const failures: unknown[] = [];
  const accepted = new Promise<{ server: WebSocket; port: WebSocketPort }>((resolve) => {
    http.on('upgrade', (request, socket: Socket, head) => {
      webSockets.handleUpgrade(request, socket, head, (server) => {
        server.on('error', () => {});
        const onFailure = (error: unknown) => failures.push(error);
        resolve({ server, port: new WebSocketPort(server, socket, { pauseReadingAboveBytes, onFailure }) });
      });
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const address = http.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const client = new WebSocket(`ws://127.0.0.1:${address.port}`);
  client.on('error', () => {});
  const { server, port } = await accepted;
  await new Promise((resolve) => client.on('open', resolve));
  onTestFinished(() => {
    client.terminate();
    server.terminate();
    http.close();
  });
  return { port, server, client, failures };
}
const MEGABYTE = new Uint8Array(1024 * 1024);
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

describe('WebSocketPort', () => {
  it('says of each frame that it was written, in order', async () => {
    const { port } = await connect();
    const written: number[] = [];
    await new Promise<void>((resolve) => {
      for (let i = 0; i < 10; i++) {
        port.send(i % 2 === 0 ? `frame ${i}` : MEGABYTE, () => {
          written.push(i);
          if (i === 9) resolve();
        });
      }
    });
    expect(written).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(port.bufferedBytes).toBe(0);
  });
  it('says it also of frames that a broken socket never took, and of those sent later', async () => {
    const { port, server, client } = await connect();
    client.pause();
    let written = 0;
    for (let i = 0; i < 50; i++) port.send(MEGABYTE, () => written++);
    await nextTurn();
    expect(written).toBeLessThan(50);
    server.terminate();
    await once(server, 'close');
    port.send('too late', () => written++);
    await nextTurn();
    expect(written).toBe(51);
  });
  it('sends the frames of one turn in one write', async () => {
    const { port, client } = await connect();
    const chunks: number[] = [];
    rawSocketOf(client).on('data', (bytes: Buffer) => chunks.push(bytes.length));
    for (let i = 0; i < 20; i++) port.send('x'.repeat(8));
    while (chunks.reduce((sum, size) => sum + size, 0) < 200) await nextTurn();
    expect(chunks).toEqual([200]);
  });
  it('counts down while the peer takes a part of a write', async () => {
    const { port, client } = await connect();
    client.pause();
    let written = false;
    port.send(new Uint8Array(64 * 1024 * 1024), () => {
      written = true;
    });
    let stuck = -1;
    while (port.bufferedBytes !== stuck) {
      stuck = port.bufferedBytes;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const raw: unknown = Reflect.get(client, '_socket');
    let taken = 0;
    (raw as Socket).on('data', (bytes: Buffer) => {
      taken += bytes.length;
      if (taken > 16 * 1024 * 1024) client.pause();
    });
    client.resume();
    while (taken <= 16 * 1024 * 1024) await nextTurn();
    while (port.bufferedBytes === stuck) await nextTurn();
    expect(written).toBe(false);
    expect(port.bufferedBytes).toBeLessThan(stuck);
    expect(port.bufferedBytes).toBeGreaterThan(0);
  });
  it('reads nothing more from a peer that takes no answers, and goes on when it does', async () => {
    const { port, server, client } = await connect(4 * 1024 * 1024);
    let requests = 0;
    server.on('message', () => {
      requests++;
      port.send(MEGABYTE);
    });
    client.pause();
    for (let i = 0; i < 1_000; i++) client.send('x'.repeat(1_000));
    let before = -1;
    while (requests !== before || requests === 0) {
      before = requests;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(requests).toBeLessThan(500);
    client.resume();
    while (requests < 1_000) await nextTurn();
  });
  it('reads nothing while the session wants nothing', async () => {
    const { port, server, client } = await connect();
    const got: string[] = [];
    server.on('message', (data: Buffer) => got.push(data.toString()));
    port.pauseReading();
    client.send('a');
    client.ping();
    port.send('answers still go out');
    await once(client, 'message');
    expect(got).toEqual([]);
    port.resumeReading();
    await once(client, 'pong');
    expect(got).toEqual(['a']);
  });
  it('closes with its code also while reading is paused, and remembers the code', async () => {
    const { port, client } = await connect();
    port.pauseReading();
    port.close(4531, 'r'.repeat(500));
    port.close(4500, 'later closes do nothing');
    const [code, reason] = await once(client, 'close');
    expect([code, String(reason)]).toEqual([4531, 'r'.repeat(123)]);
    expect(port.closeCode).toBe(4531);
    expect(port.bufferedBytes).toBe(0);
  });
  it('hands on what a callback throws', async () => {
    const { port, failures } = await connect();
    const problem = new Error('a defect');
    port.send('x', () => {
      throw problem;
    });
    while (failures.length === 0) await nextTurn();
    expect(failures).toEqual([problem]);
  });
});

describe('shortReason', () => {
  it('cuts between characters', () => {
    expect(shortReason('short').toString()).toBe('short');
    expect(shortReason('€'.repeat(50)).toString()).toBe('€'.repeat(41));
    expect(shortReason('😀'.repeat(50)).toString()).toBe('😀'.repeat(30));
  });
});
