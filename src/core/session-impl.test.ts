// The session on a manual clock, over the in-memory transport, against a gateway that each test scripts.
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  type ClientFrame,
  type Decompressors,
  dataFrameHeaderBytes,
  encodeServerFrame,
  LogError,
  parseClientFrame,
  type ServerFrame,
  type ServerFrameOf,
  writeDataFrameHeader,
} from '../protocol/index.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { type MemorySocket, memoryTransport } from '../testing/memory-transport.ts';
import type { FetchSink } from './session.ts';
import { createSession, type SessionOptions } from './session-impl.ts';
import type { LifecycleSignal } from './transport.ts';

const WELCOME: ServerFrameOf<'welcome'> = {
  type: 'welcome',
  version: 1,
  sessionId: 's',
  logId: 'log',
  server: { name: 'test', version: '0' },
  heartbeatIntervalMs: 25_000,
  heartbeatTimeoutMs: 8_000,
  limits: { maxFrameBytes: 1_000, maxTextFrameBytes: 1_000, maxBatchBytes: 1_000, maxConsumers: 32 },
};

type Script = (frame: ClientFrame, send: (frame: ServerFrame) => void, socket: MemorySocket) => void;
const welcoming: Script = (frame, send) => {
  if (frame.type === 'hello') send(WELCOME);
  if (frame.type === 'ping') send({ type: 'ping', id: frame.id });
};

function open(script: Script = welcoming, options: Partial<SessionOptions> = {}, latencyMs = 0) {
  const clock = new ManualClock();
  const received: ClientFrame[] = [];
  const closes: number[] = [];
  const sockets: MemorySocket[] = [];
  const lifecycle = new Set<(signal: LifecycleSignal) => void>();
  const gateway = { script };
  const memory = memoryTransport({
    clock,
    latencyMs,
    accept: (socket) => {
      sockets.push(socket);
      return {
        onFrame: (text) => {
          if (typeof text !== 'string') return;
          const frame = parseClientFrame(text);
          received.push(frame);
          gateway.script(frame, (answer) => socket.send(encodeServerFrame(answer)), socket);
        },
        onClose: ({ code }) => closes.push(code),
      };
    },
  });
  const transport = Object.assign(Object.create(memory) as typeof memory, {
    onLifecycle: (listener: (signal: LifecycleSignal) => void) => {
      lifecycle.add(listener);
      return () => lifecycle.delete(listener);
    },
  });
  const session = createSession({
    transport,
    urls: ['ws://gateway/'],
    clientId: 'c',
    requestTimeoutMs: 30_000,
    reconnectBackoffMs: 100,
    reconnectBackoffMaxMs: 10_000,
    clock,
    random: () => 0.5,
    ...options,
  });
  const page = (signal: LifecycleSignal) => {
    for (const listener of [...lifecycle]) listener(signal);
  };
  return { clock, session, received, closes, sockets, gateway, memory, lifecycle, page };
}

/** Everything that microtasks lead to has happened. */
const settled = () => new Promise((resolve) => setTimeout(resolve));

class Sink implements FetchSink {
  readonly log: string[] = [];
  onData(): void {
    this.log.push('data');
  }
  onFetchError(): void {
    this.log.push('fetchError');
  }
  onAssignment(): void {
    this.log.push('assignment');
  }
  onFenced(): void {
    this.log.push('fenced');
  }
  onThrottled(delayMs: number): void {
    this.log.push(`throttled ${delayMs}`);
  }
  onLive(logId: string): void {
    this.log.push(`live ${logId}`);
  }
  onDown(): void {
    this.log.push('down');
  }
  onHide(): void {
    this.log.push('hide');
  }
  busyMs(): number | undefined {
    return undefined;
  }
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a session', () => {
  it('dials lazily: only when something needs the connection', async () => {
    const { session, sockets } = open();
    session.attach(new Sink());
    await settled();
    expect(sockets).toEqual([]);
    expect(session.status).toEqual({ type: 'connecting', url: 'ws://gateway/', attempt: 0 });
    session.connect();
    await settled();
    expect(session.status).toEqual({ type: 'live', url: 'ws://gateway/', sessionId: 's', logId: 'log' });
  });

  it('reconnects for ever, and whoever waits for it gives up at his own time', async () => {
    const { session, memory, clock } = open();
    memory.refuseDials(true);
    const waiting = session.whenLive({ timeoutMs: 60_000 }).catch((error: LogError) => error);
    const abort = new AbortController();
    const aborting = session.whenLive({ signal: abort.signal }).catch((error: LogError) => error.code);
    abort.abort();
    expect(await aborting).toBe('ABORTED');
    for (let i = 0; i < 60; i++) {
      await settled();
      clock.advance(1_000);
    }
    expect(await waiting).toMatchObject({
      code: 'TIMED_OUT',
      message:
        'not connected within 60000 ms: ws://gateway/: could not connect (1006: ws://gateway/ refused the connection)',
    });
    memory.refuseDials(false);
    clock.advance(10_000);
    await settled();
    expect(session.status.type).toBe('live');
    expect(session.reconnects).toBe(0);
  });

  it('asks the token callback at every dial, bounded in time, and tries again when it fails', async () => {
    let calls = 0;
    const signals: AbortSignal[] = [];
    let answerLate: (token: string) => void = () => undefined;
    const late = new Promise<string>((resolve) => {
      answerLate = resolve;
    });
    const { session, received, clock, sockets } = open(welcoming, {
      token: async ({ signal }) => {
        signals.push(signal);
        calls++;
        if (calls === 1) throw new Error('identity provider is down');
        if (calls === 2) return late;
        return `token ${calls}`;
      },
    });
    const errors: string[] = [];
    session.status$.subscribe((status) => {
      if (status.type === 'reconnecting') errors.push(status.error.message);
    });
    session.connect();
    await settled();
    expect(errors).toEqual(['the token callback failed: identity provider is down']);
    clock.advance(50);
    await settled();
    expect([calls, signals[1]?.aborted]).toEqual([2, false]);
    clock.advance(30_000);
    await settled();
    expect(signals[1]?.aborted).toBe(true);
    clock.advance(100);
    await settled();
    expect(received[0]).toMatchObject({ type: 'hello', token: 'token 3' });
    expect(session.status.type).toBe('live');
    answerLate('too late');
    await settled();
    expect(sockets).toHaveLength(1);
  });

  it('ends with UNSUPPORTED_VERSION when the gateway speaks another one', async () => {
    const { session, closes } = open((_frame, send) => send({ ...WELCOME, version: 2 }));
    await expect(session.whenLive()).rejects.toMatchObject({ code: 'UNSUPPORTED_VERSION' });
    await settled();
    expect(closes).toEqual([4406]);
  });

  it('ends when the transport cannot dial the URL at all', async () => {
    const { session } = open(welcoming, { urls: ['ws://gateway/#x'] });
    await expect(session.whenLive()).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
  });

  it('reconnects, saying why, when the gateway breaks the protocol, and goes on asking', async () => {
    const broken: (string | Uint8Array)[] = [
      '{',
      '{"type":"welcome"}',
      '{"type":"feed","stream":"x"}',
      new Uint8Array([9, 9, 9]),
      new Uint8Array(0),
      encodeServerFrame({ type: 'deleteTopic', id: 2 }),
    ];
    for (const frame of broken) {
      const { session, clock, closes, gateway } = open();
      await session.whenLive();
      gateway.script = (_frame, _send, socket) => socket.send(frame);
      const asked = session.request({ type: 'listGroups' });
      await settled();
      expect(closes, String(frame)).toEqual([4400]);
      expect(session.status).toMatchObject({ type: 'reconnecting', error: { message: /broke the protocol/ } });
      gateway.script = (what, send, socket) => {
        welcoming(what, send, socket);
        if (what.type === 'listGroups') send({ type: 'listGroups', id: what.id, groups: [] });
      };
      clock.advance(50);
      await asked;
    }
  });

  it('ignores frames of a type it does not know, and answers that nobody waits for', async () => {
    const { session, sockets } = open();
    await session.whenLive();
    sockets[0]?.send('{"type":"fromTheFuture","x":1}');
    sockets[0]?.send(encodeServerFrame({ type: 'leave', id: 999 }));
    sockets[0]?.send(encodeServerFrame({ type: 'error', id: 998, code: 'CLOSED', message: '' }));
    await settled();
    expect(session.status.type).toBe('live');
  });

  it('notices a gateway that went silent, and one that sends heartbeats is never silent', async () => {
    const { session, sockets, clock, received } = open();
    await session.whenLive();
    await settled();
    for (let i = 0; i < 10; i++) {
      clock.advance(25_000);
      sockets[0]?.send(encodeServerFrame({ type: 'heartbeat', ends: [] }));
      await settled();
    }
    expect(session.status.type).toBe('live');
    expect(received.filter((frame) => frame.type === 'heartbeat')).toHaveLength(10);
    clock.advance(33_000);
    expect(session.status).toMatchObject({
      type: 'reconnecting',
      error: { message: 'ws://gateway/ was silent for 33000 ms' },
    });
    clock.advance(50);
    await settled();
    expect(session.reconnects).toBe(1);
  });

  it('looks whether the connection is alive when the page was away for long', async () => {
    const { session, clock, memory, page } = open();
    await session.whenLive();
    await settled();
    page('hidden');
    clock.advance(20_000);
    page('visible');
    await settled();
    clock.advance(8_000);
    expect(session.status.type).toBe('live');
    page('hidden');
    memory.holdDelivery(true);
    clock.advance(20_000);
    page('visible');
    clock.advance(7_999);
    expect(session.status.type).toBe('live');
    clock.advance(1);
    expect(session.status.type).toBe('reconnecting');
  });

  it('lets go of the socket when the page goes to sleep, and dials when it comes back', async () => {
    const { session, page, closes, lifecycle } = open();
    const sink = new Sink();
    session.attach(sink);
    await session.whenLive();
    page('pagehide');
    await settled();
    expect(closes).toEqual([4510]);
    expect(session.status.type).toBe('reconnecting');
    page('pageshow');
    await session.whenLive();
    expect(sink.log).toEqual(['live log', 'hide', 'down', 'live log']);
    await session.close();
    expect(lifecycle.size).toBe(0);
  });

  it('waits as long as a gateway that goes away asks it to', async () => {
    const { session, sockets, clock } = open();
    await session.whenLive();
    sockets[0]?.send(encodeServerFrame({ type: 'goaway', reason: 'drain', reconnectAfterMs: 4_000, closeInMs: 1_000 }));
    sockets[0]?.close(4503, 'drain');
    await settled();
    expect(session.status).toMatchObject({ type: 'reconnecting', delayMs: 4_000 });
    clock.advance(3_999);
    await settled();
    expect(sockets).toHaveLength(1);
    clock.advance(1);
    await settled();
    expect(session.status.type).toBe('live');
  });

  const goaway = { type: 'goaway', reason: 'drain', reconnectAfterMs: 40, closeInMs: 10_000 } as const;

  it('leaves a gateway that is going away at once when nothing is unanswered', async () => {
    const { session, sockets, closes, clock } = open();
    const sink = new Sink();
    session.attach(sink);
    await session.whenLive();
    await settled();
    sockets[0]?.send(encodeServerFrame(goaway));
    await settled();
    expect(closes).toEqual([1000]);
    expect(session.status).toMatchObject({ type: 'reconnecting', delayMs: 50, error: { code: 'NETWORK_EXCEPTION' } });
    clock.advance(50);
    await settled();
    expect(sink.log).toEqual(['live log', 'down', 'live log']);
  });

  it('leaves a gateway that is going away when requests and produces are answered, and asks nothing new of it', async () => {
    const { session, sockets, closes, clock, received, gateway } = open();
    await session.whenLive();
    await settled();
    gateway.script = (frame, send) => {
      if (frame.type !== 'leave') welcoming(frame, send, sockets[0] as MemorySocket);
    };
    const pending = session.request({ type: 'leave', consumer: 1 });
    const produced = session.produce('00000000-0000-4000-8000-000000000001', 0, new Uint8Array(1));
    sockets[0]?.send(encodeServerFrame(goaway));
    await settled();
    const later = session.request({ type: 'leave', consumer: 2 }, { retry: 'unsent' });
    const before = received.length;
    sockets[0]?.send(encodeServerFrame({ type: 'leave', id: 2 }));
    await pending;
    expect(closes).toEqual([]);
    sockets[0]?.send(encodeServerFrame({ type: 'produce', id: 3, baseOffset: 0, logAppendTime: -1, logStart: 0 }));
    await produced;
    await settled();
    expect(closes).toEqual([1000]);
    expect(received).toHaveLength(before);
    gateway.script = (frame, send) => {
      welcoming(frame, send, sockets[1] as MemorySocket);
      if (frame.type === 'leave') send({ type: 'leave', id: frame.id });
    };
    clock.advance(50);
    await later;
  });

  it('leaves a gateway that is going away within the time it gave, and asks the unanswered again', async () => {
    const { session, sockets, closes, clock, gateway } = open();
    await session.whenLive();
    await settled();
    gateway.script = () => undefined;
    const pending = session.request({ type: 'leave', consumer: 1 });
    sockets[0]?.send(encodeServerFrame(goaway));
    await settled();
    clock.advance(9_999);
    await settled();
    expect(closes).toEqual([]);
    clock.advance(1);
    await settled();
    expect(closes).toEqual([1000]);
    gateway.script = (frame, send) => {
      welcoming(frame, send, sockets[1] as MemorySocket);
      if (frame.type === 'leave') send({ type: 'leave', id: frame.id });
    };
    clock.advance(50);
    await pending;
  });

  it('asks the callback for a new token when the one it had expires, and ends when a token is refused at once', async () => {
    let tokens = 0;
    const { session, sockets, received, clock, gateway } = open(welcoming, { token: () => `token ${++tokens}` });
    await session.whenLive();
    sockets[0]?.close(4401, 'expired');
    await settled();
    expect(session.status).toMatchObject({ type: 'reconnecting', error: { code: 'UNAUTHENTICATED' } });
    clock.advance(50);
    await session.whenLive();
    expect(received.filter(({ type }) => type === 'hello')).toMatchObject([{ token: 'token 1' }, { token: 'token 2' }]);
    gateway.script = (frame, _send, socket) => {
      if (frame.type === 'hello') socket.close(4401, 'unknown');
    };
    sockets[1]?.close(4401, 'expired');
    await settled();
    clock.advance(1_000);
    await settled();
    expect(session.status).toMatchObject({ type: 'closed', error: { code: 'UNAUTHENTICATED' } });
    expect(tokens).toBe(3);
  });

  it('ends when a token that is a string expires', async () => {
    const { session, sockets } = open(welcoming, { token: 'fixed' });
    await session.whenLive();
    sockets[0]?.close(4401, 'expired');
    await settled();
    expect(session.status).toMatchObject({ type: 'closed', error: { code: 'UNAUTHENTICATED' } });
  });

  it('announces gzip only where the runtime decompresses it', async () => {
    const helloOf = async () => {
      const { session, received } = open();
      await session.whenLive();
      return received[0];
    };
    expect(await helloOf()).toMatchObject({ type: 'hello', codecs: ['gzip'] });
    vi.stubGlobal('DecompressionStream', undefined);
    try {
      expect(await helloOf()).toMatchObject({ type: 'hello', codecs: [] });
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('announces the codecs it was given, but none that is undefined, with gzip of its own', async () => {
    const nothing = () => new Uint8Array(0);
    const helloOf = async (decompressors: Decompressors) => {
      const { session, received } = open(undefined, { decompressors });
      await session.whenLive();
      return received[0];
    };
    expect(await helloOf({ zstd: nothing, snappy: nothing, lz4: undefined })).toMatchObject({
      codecs: ['gzip', 'snappy', 'zstd'],
    });
    vi.stubGlobal('DecompressionStream', undefined);
    try {
      expect(await helloOf({ gzip: nothing })).toMatchObject({ codecs: ['gzip'] });
      expect(await helloOf({ gzip: undefined })).toMatchObject({ codecs: [] });
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('tells a consumer that attaches while live that it is, once, and after attach() returned', async () => {
    const { session } = open();
    await session.whenLive();
    const sink = new Sink();
    session.attach(sink);
    expect(sink.log).toEqual([]);
    await settled();
    expect(sink.log).toEqual(['live log']);
    const other = new Sink();
    session.attach(other).detach();
    await settled();
    expect(other.log).toEqual([]);
  });

  it('tells a consumer that attaches in the very moment the connection comes up once as well', async () => {
    const { session, clock } = open(welcoming, {}, 10);
    session.connect();
    clock.advance(29);
    const sink = new Sink();
    session.attach(sink);
    clock.advance(1);
    expect(sink.log).toEqual(['live log']);
    await settled();
    expect(sink.log).toEqual(['live log']);
  });

  it('sends fetch frames only while live, each with the number of its consumer', async () => {
    const { session, received } = open();
    const first = session.attach(new Sink());
    const second = session.attach(new Sink());
    first.send({ type: 'fetchClose' });
    await session.whenLive();
    first.send({ type: 'fetchClose' });
    second.send({ type: 'fetchClose' });
    first.detach();
    first.send({ type: 'fetchClose' });
    await settled();
    const closed = received.filter((frame) => frame.type === 'fetchClose');
    expect(closed).toEqual([first, second].map(({ consumer }) => ({ type: 'fetchClose', consumer })));
  });

  it('counts what is on its way when a partition is closed, and nothing that comes for others after it', async () => {
    const topicId = '00000000-0000-4000-8000-000000000001';
    const { session, sockets, gateway } = open();
    const first = new Sink();
    const second = new Sink();
    const channel = session.attach(first);
    session.attach(second);
    await session.whenLive();
    const feed = (consumer: number, epoch: number) =>
      sockets[0]?.send(
        encodeServerFrame({ type: 'feed', stream: 1, consumer, topicId, partition: 0, epoch, offset: 0 }),
      );
    const data = () => {
      const frame = new Uint8Array(dataFrameHeaderBytes(0));
      const ends = { logStart: 0, highWatermark: 0, lastStableOffset: 0, nextOffset: 0, aborted: [] };
      writeDataFrameHeader(frame, frame.length, { stream: 1, topicId, partition: 0, ...ends });
      sockets[0]?.send(frame);
    };
    const counts = () => [first, second].map(({ log }) => log.splice(0).filter((what) => what === 'data').length);
    feed(0, 1);
    feed(1, 1);
    data();
    await settled();
    expect(counts()).toEqual([1, 1]);

    // The gateway answers the ping behind the close, after what it had already sent.
    gateway.script = (frame, send) => {
      if (frame.type === 'fetchClose') data();
      if (frame.type === 'ping') {
        send({ type: 'ping', id: frame.id });
        data();
      }
    };
    channel.send({ type: 'fetchClose', partitions: [{ topicId, partition: 0 }] });
    await settled();
    expect(counts()).toEqual([1, 2]);

    // Opened again before the answer: the old feed stands until the new one replaces it.
    feed(0, 2);
    await settled();
    channel.send({ type: 'fetchClose', partitions: [{ topicId, partition: 0 }] });
    channel.send({
      type: 'fetch',
      isolation: 'read_uncommitted',
      minBytes: 1,
      maxWaitMs: 1,
      maxPartitionBytes: 1,
      limit: 1,
      partitions: [{ topicId, partition: 0, epoch: 3, offset: 0, limit: 1 }],
    });
    await settled();
    expect(counts()).toEqual([2, 2]);
  });

  it('goes on reading when a consumer throws, and lets the error surface', async () => {
    const uncaught: unknown[] = [];
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(((callback: () => void) => {
      try {
        callback();
      } catch (error) {
        uncaught.push(error);
      }
      return 0;
    }) as typeof setTimeout);
    const { session, sockets } = open();
    const bad = new Sink();
    const bug = new Error('a bug');
    bad.onThrottled = () => {
      throw bug;
    };
    const good = new Sink();
    session.attach(bad);
    session.attach(good);
    await session.whenLive();
    sockets[0]?.send(encodeServerFrame({ type: 'throttled', delayMs: 5 }));
    for (let i = 0; i < 20; i++) await Promise.resolve();
    expect(good.log).toEqual(['live log', 'throttled 5']);
    expect(uncaught).toEqual([bug]);
    expect(session.status.type).toBe('live');
  });

  it('does not send a batch or a request that the gateway would not take', async () => {
    const { session } = open();
    await session.whenLive();
    const topicId = '00000000-0000-4000-8000-000000000001';
    await expect(session.produce(topicId, 3, new Uint8Array(1_000))).rejects.toMatchObject({
      code: 'RECORD_TOO_LARGE',
      partition: 3,
    });
    await expect(session.request({ type: 'createTopic', name: 'x'.repeat(1_000) })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
    });
    expect(session.status.type).toBe('live');
  });

  it('may be closed from within its own status, and fails what waits with the error given', async () => {
    const { session, closes } = open();
    const reason = new LogError('UNAUTHENTICATED', 'not you');
    session.status$.subscribe((status) => {
      if (status.type === 'live') void session.close(reason);
    });
    const sink = new Sink();
    session.attach(sink);
    await expect(session.request({ type: 'listGroups' })).rejects.toBe(reason);
    await session.close();
    expect(closes).toEqual([1000]);
    expect(sink.log).toEqual(['live log', 'down']);
    const seen: string[] = [];
    session.status$.subscribe({ next: ({ type }) => seen.push(type), complete: () => seen.push('complete') });
    expect(seen).toEqual(['closed', 'complete']);
    await expect(session.whenLive()).rejects.toBe(reason);
  });

  it('does not wait for ever for a socket that does not close', async () => {
    const { session, memory, clock } = open();
    await session.whenLive();
    memory.holdDelivery(true);
    let done = false;
    const closed = session.close().then(() => {
      done = true;
    });
    await settled();
    expect(done).toBe(false);
    clock.advance(2_000);
    await closed;
    expect(clock.pending).toBe(0);
  });

  it('closed before it ever dialled, it never does', async () => {
    const { session, sockets } = open();
    await session.close();
    session.connect();
    await expect(session.request({ type: 'ping' })).rejects.toMatchObject({ code: 'CLOSED' });
    await settled();
    expect(sockets).toEqual([]);
  });

  it('measures the round trip of each connection', async () => {
    const { session, clock, sockets } = open(welcoming, {}, 10);
    session.connect();
    clock.advance(100);
    expect(session.roundTripMs).toBe(20);
    sockets[0]?.terminate();
    clock.advance(95);
    expect(session.roundTripMs).toBeUndefined();
    clock.advance(100);
    expect(session.roundTripMs).toBe(20);
  });

  it('was certainly heard when it asked what was answered, whenever the answer was read', async () => {
    const { session, clock, memory } = open();
    await session.whenLive();
    await settled();
    const liveAt = clock.now();
    expect(session.heardAt).toBe(liveAt);
    clock.advance(1_000);
    // The answer lies in the socket while this process sleeps.
    memory.holdDelivery(true);
    const asked = session.request({ type: 'ping' }, { timeoutMs: 60_000 });
    clock.advance(20_000);
    expect(session.heardAt).toBe(liveAt);
    memory.holdDelivery(false);
    await asked;
    expect(session.heardAt).toBe(liveAt + 1_000);
  });
});
