// The session over real sockets, against a gateway of a few lines that a test scripts.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import type { FetchSink, Session } from '../core/session.ts';
import { createSession, type SessionOptions } from '../core/session-impl.ts';
import { systemClock } from '../core/system-clock.ts';
import {
  type ClientFrame,
  type DataFrame,
  dataFrameHeaderBytes,
  encodeServerFrame,
  parseClientFrame,
  parseProduceFrame,
  type ServerFrame,
  writeDataFrameHeader,
} from '../protocol/index.ts';
import { nodeTransport } from './transport.ts';

const TOPIC_ID = '00000000-0000-4000-8000-000000000001';

interface Peer {
  readonly socket: WebSocket;
  readonly received: ClientFrame[];
  send(frame: ServerFrame): void;
}

let server: WebSocketServer;
let url: string;
let peers: Peer[];
let onFrame: (peer: Peer, frame: ClientFrame) => void;
const sessions: Session[] = [];

beforeEach(async () => {
  peers = [];
  onFrame = greet;
  server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'dlog.v1' });
  server.on('connection', (socket) => {
    const peer: Peer = { socket, received: [], send: (frame) => socket.send(encodeServerFrame(frame)) };
    peers.push(peer);
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) {
        const { id } = parseProduceFrame(new Uint8Array(data));
        peer.send({ type: 'produce', id, baseOffset: 7, logAppendTime: -1, logStart: 0 });
        return;
      }
      const frame = parseClientFrame(data.toString());
      peer.received.push(frame);
      onFrame(peer, frame);
    });
  });
  await once(server, 'listening');
  url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});

afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.close()));
  for (const peer of peers) peer.socket.terminate();
  await new Promise((resolve) => server.close(resolve));
});

function greet(peer: Peer, frame: ClientFrame): void {
  if (frame.type === 'hello') {
    peer.send({
      type: 'welcome',
      version: 1,
      sessionId: `s${peers.length}`,
      logId: 'log',
      server: { name: 'test', version: '0' },
      heartbeatIntervalMs: 25_000,
      heartbeatTimeoutMs: 8_000,
      limits: { maxFrameBytes: 2 ** 21, maxTextFrameBytes: 2 ** 16, maxBatchBytes: 2 ** 24, maxConsumers: 32 },
    });
  } else if (frame.type === 'ping') peer.send({ type: 'ping', id: frame.id });
  else if (frame.type === 'listGroups') {
    peer.send({
      type: 'listGroups',
      id: frame.id,
      groups: [{ groupId: `g${peers.length}`, state: 'Empty', members: 0 }],
    });
  }
}

function open(options: Partial<SessionOptions> = {}): Session {
  const session = createSession({
    transport: nodeTransport(),
    urls: [url],
    clientId: 'test',
    requestTimeoutMs: 10_000,
    reconnectBackoffMs: 5,
    reconnectBackoffMaxMs: 20,
    clock: systemClock,
    random: Math.random,
    ...options,
  });
  sessions.push(session);
  return session;
}

function dataFrame(stream: number, nextOffset: number, batches: Uint8Array): Uint8Array {
  const headerBytes = dataFrameHeaderBytes(0);
  const frame = new Uint8Array(headerBytes + batches.length);
  frame.set(batches, headerBytes);
  const begin = writeDataFrameHeader(frame, headerBytes, {
    stream,
    topicId: TOPIC_ID,
    partition: 0,
    logStart: 0,
    highWatermark: nextOffset,
    lastStableOffset: nextOffset,
    nextOffset,
    aborted: [],
  });
  return frame.subarray(begin);
}

class Sink implements FetchSink {
  readonly log: string[] = [];
  readonly frames: DataFrame[] = [];
  waiting: { count: number; resolve: () => void } | undefined;
  onData(frame: DataFrame, epoch: number): void {
    this.frames.push(frame);
    this.say(`data ${frame.nextOffset} @${epoch}`);
  }
  onFetchError(): void {
    this.say('fetchError');
  }
  onAssignment(): void {
    this.say('assignment');
  }
  onFenced(): void {
    this.say('fenced');
  }
  onThrottled(): void {
    this.say('throttled');
  }
  onLive(): void {
    this.say('live');
  }
  onHide(): void {
    this.log.push('hide');
  }
  onDown(): void {
    this.say('down');
  }
  busyMs(): number | undefined {
    return 12.4;
  }
  say(what: string): void {
    this.log.push(what);
    if (this.waiting !== undefined && this.log.length >= this.waiting.count) this.waiting.resolve();
  }
  said(count: number): Promise<void> {
    if (this.log.length >= count) return Promise.resolve();
    return new Promise((resolve) => {
      this.waiting = { count, resolve };
    });
  }
}

describe('a session over real sockets', () => {
  it('says hello, asks, produces and streams', async () => {
    const session = open();
    const sink = new Sink();
    const channel = session.attach(sink);
    onFrame = (peer, frame) => {
      greet(peer, frame);
      if (frame.type !== 'fetch') return;
      for (const { topicId, partition, epoch, offset } of frame.partitions) {
        peer.send({ type: 'feed', stream: 9, consumer: frame.consumer, topicId, partition, epoch, offset });
        peer.socket.send(dataFrame(9, 3, new Uint8Array(70_000).fill(1)));
        peer.socket.send(dataFrame(8, 99, new Uint8Array(5)));
        peer.socket.send(dataFrame(9, 5, new Uint8Array(10).fill(2)));
      }
    };
    expect((await session.request({ type: 'listGroups' })).groups[0]?.groupId).toBe('g1');
    expect(session.status).toMatchObject({ type: 'live', sessionId: 's1', logId: 'log', url });
    expect((await session.produce(TOPIC_ID, 0, new Uint8Array(100))).baseOffset).toBe(7);
    channel.send({
      type: 'fetch',
      isolation: 'read_uncommitted',
      minBytes: 1,
      maxWaitMs: 500,
      maxPartitionBytes: 1000,
      limit: 1000,
      partitions: [{ topicId: TOPIC_ID, partition: 0, epoch: 4, offset: 0, limit: 1000 }],
    });
    await sink.said(3);
    expect(sink.log).toEqual(['live', 'data 3 @4', 'data 5 @4']);
    expect(sink.frames[0]?.batches).toEqual(new Uint8Array(70_000).fill(1));
    expect(session.topics.ends(TOPIC_ID, 0)).toEqual({ logStart: 0, highWatermark: 5, lastStableOffset: 5 });
    expect(session.roundTripMs).toBeGreaterThanOrEqual(0);
    expect(peers[0]?.received[0]).toMatchObject({ type: 'hello', versions: [1], clientId: 'test', codecs: ['gzip'] });
  });

  it('answers heartbeats from the read path, with how long its consumers have been at work', async () => {
    const session = open();
    const channel = session.attach(new Sink());
    const answer = new Promise<ClientFrame>((resolve) => {
      onFrame = (peer, frame) => {
        greet(peer, frame);
        if (frame.type === 'hello') peer.send({ type: 'heartbeat', ends: [] });
        if (frame.type === 'heartbeat') resolve(frame);
      };
    });
    session.connect();
    expect(await answer).toEqual({ type: 'heartbeat', consumers: [{ consumer: channel.consumer, busyMs: 12 }] });
  });

  it('asks again on the next connection what the lost one did not answer, but never repeats a produce', async () => {
    const session = open();
    let asked = 0;
    onFrame = (peer, frame) => {
      if (frame.type === 'listGroups' && asked++ === 0) peer.socket.terminate();
      else greet(peer, frame);
    };
    const sink = new Sink();
    session.attach(sink);
    await session.whenLive();
    const groups = session.request({ type: 'listGroups' });
    const produced = session.produce(TOPIC_ID, 0, new Uint8Array(100));
    // The server answers it only if it reads it before it terminates: either is right, a second write is not.
    await Promise.allSettled([produced]);
    expect((await groups).groups[0]?.groupId).toBe('g2');
    expect(asked).toBe(2);
    expect(session.reconnects).toBe(1);
    expect(sink.log).toEqual(['live', 'down', 'live']);
  });

  it('retries a gateway that is not there, visibly, until it is', async () => {
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const session = open();
    const statuses: string[] = [];
    const failedTwice = new Promise<void>((resolve) => {
      session.status$.subscribe((status) => {
        statuses.push(status.type);
        if (status.type === 'reconnecting' && status.attempt === 2) {
          expect(status.error.message).toMatch(/could not connect \(1006: connect ECONNREFUSED/);
          resolve();
        }
      });
    });
    session.connect();
    await failedTwice;
    server = new WebSocketServer({ host: '127.0.0.1', port });
    server.on('connection', (socket) => {
      const peer: Peer = { socket, received: [], send: (frame) => socket.send(encodeServerFrame(frame)) };
      peers.push(peer);
      socket.on('message', (data: Buffer) => greet(peer, parseClientFrame(data.toString())));
    });
    await session.whenLive();
    expect(statuses.at(-1)).toBe('live');
  });

  it('does not hear a connection it has given up, although frames still come', async () => {
    const session = open();
    const sink = new Sink();
    session.attach(sink);
    await session.whenLive();
    const [peer] = peers;
    peer?.socket.send('this is not JSON');
    for (let i = 0; i < 100; i++) peer?.send({ type: 'throttled', delayMs: 1 });
    await sink.said(3);
    expect(sink.log).toEqual(['live', 'down', 'live']);
  });

  it('ends with the error of a final close code', async () => {
    onFrame = (peer) => {
      peer.send({ type: 'error', code: 'UNAUTHENTICATED', message: 'the token has expired' });
      peer.socket.close(4401, 'no');
    };
    const session = open();
    await expect(session.whenLive()).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: 'the token has expired',
    });
    expect(session.status).toMatchObject({ type: 'closed', error: { code: 'UNAUTHENTICATED' } });
    await expect(session.request({ type: 'ping' })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('closes with 1000 when its last user lets go', async () => {
    const session = open();
    const first = session.retain();
    const second = session.retain();
    await session.whenLive();
    const closed = once(peers[0]?.socket ?? server, 'close');
    await first();
    expect(session.status.type).toBe('live');
    await second();
    expect((await closed)[0]).toBe(1000);
    await expect(session.request({ type: 'ping' })).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
