// How a connection begins, how it is refused, and what malformed frames get.
import { afterEach, describe, expect, it } from 'vitest';
import { type ClientFrame, LogError } from '../protocol/index.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { SessionPeer } from '../testing/session-peer.ts';
import type { Limits } from './limits.ts';
import type { Log } from './log.ts';
import { memoryLog } from './memory-log.ts';

let peers: SessionPeer[] = [];
afterEach(() => {
  for (const peer of peers) {
    // Whatever a test did to it, the session must have caught what it did not expect.
    expect(peer.logged.filter(({ level }) => level === 'error')).toEqual([]);
    peer.session.onClosed();
  }
  peers = [];
});

function setUp(limits?: Partial<Limits>, wrap: (log: Log) => Log = (log) => log) {
  const clock = new ManualClock();
  const log = memoryLog({ clock, random: Math.random, logId: 'the-log' });
  const peer = new SessionPeer({ log: wrap(log), clock, limits });
  peers.push(peer);
  return { clock, log, peer };
}
const hello: ClientFrame = { type: 'hello', versions: [1] };

describe('the handshake', () => {
  it('answers hello with the version, a session id, the log id and the limits', async () => {
    const { peer } = setUp({ maxConsumers: 7 });
    const welcome = await peer.hello();
    expect(welcome).toMatchObject({
      version: 1,
      logId: 'the-log',
      server: { name: 'test', version: '0' },
      heartbeatIntervalMs: 25_000,
      heartbeatTimeoutMs: 8_000,
      limits: { maxFrameBytes: 2 * 1024 * 1024, maxTextFrameBytes: 65_536, maxConsumers: 7 },
    });
    expect(welcome.sessionId).toBe(peer.session.sessionId);
    expect(peer.session.clientId).toBe('tester');
  });

  it('closes 4508 when no hello comes within helloTimeoutMs', async () => {
    const { peer } = setUp();
    await peer.advance(9_999);
    expect(peer.closed).toBeUndefined();
    await peer.advance(1);
    expect(peer.closed).toMatchObject({ code: 4508 });
  });

  it('does not time out after a hello', async () => {
    const { peer } = setUp();
    await peer.hello();
    await peer.advance(10_000);
    expect(peer.closed).toBeUndefined();
  });

  it.each<[string, (peer: SessionPeer) => void]>([
    ['another frame', (peer) => peer.send({ type: 'ping', id: 1 })],
    ['a binary frame', (peer) => peer.session.onBinary(new Uint8Array(64))],
    ['text that is no frame', (peer) => peer.session.onText('}{')],
  ])('answers %s before hello with an error and closes 4400', async (_, act) => {
    const { peer } = setUp();
    act(peer);
    expect(peer.frames).toMatchObject([{ type: 'error', code: 'INVALID_REQUEST' }]);
    expect(peer.closed).toMatchObject({ code: 4400 });
    expect(peer.clock.pending).toBe(0);
  });

  it('closes 4406 when the two ends share no version', () => {
    const { peer } = setUp();
    peer.send({ type: 'hello', versions: [2, 3] });
    expect(peer.frames).toMatchObject([{ type: 'error', code: 'UNSUPPORTED_VERSION' }]);
    expect(peer.closed).toMatchObject({ code: 4406 });
  });

  it('refuses a second hello and stays open', async () => {
    const { peer } = setUp();
    await peer.hello();
    peer.send(hello);
    expect(peer.all('error')).toMatchObject([{ code: 'INVALID_REQUEST' }]);
    expect(peer.all('welcome')).toHaveLength(1);
    expect(await peer.request({ type: 'ping', id: 1 })).toEqual({ type: 'ping', id: 1 });
  });
});

describe('malformed frames', () => {
  it('are answered INVALID_REQUEST with their id where it is readable, and the connection stays', async () => {
    const { peer } = setUp();
    await peer.hello();
    peer.session.onText('{"type":"metadata","id":7,"topics":"all"}');
    peer.session.onText('not json');
    peer.session.onBinary(new Uint8Array([9, 9, 9]));
    const [first, second, third] = peer.all('error');
    expect(first).toMatchObject({ id: 7, code: 'INVALID_REQUEST', retriable: false });
    expect(first?.message).toContain('topics');
    expect(second).toMatchObject({ code: 'INVALID_REQUEST' });
    expect(second).not.toHaveProperty('id');
    expect(third).toMatchObject({ code: 'INVALID_REQUEST' });
    expect(await peer.request({ type: 'ping', id: 8 })).toEqual({ type: 'ping', id: 8 });
  });

  it('close 4400 when there are more than maxMalformedFrames', async () => {
    const { peer } = setUp({ maxMalformedFrames: 3 });
    await peer.hello();
    for (let i = 0; i < 3; i++) peer.session.onText('{}');
    expect(peer.closed).toBeUndefined();
    peer.session.onText('{}');
    expect(peer.closed).toMatchObject({ code: 4400 });
  });

  it('close 1009 when a text frame has too many bytes, counted in UTF-8', async () => {
    const { peer } = setUp({ maxTextFrameBytes: 100 });
    await peer.hello([]);
    const frame = (name: string) => JSON.stringify({ type: 'deleteTopic', id: 1, name });
    const room = 100 - frame('').length;
    peer.session.onText(frame('a'.repeat(room)));
    expect(peer.closed).toBeUndefined();
    peer.session.onText(frame('€'.repeat(Math.ceil((room + 1) / 3))));
    expect(peer.closed).toMatchObject({ code: 1009 });
  });

  it('close 1009 when a binary frame has more than maxFrameBytes', async () => {
    const { peer } = setUp({ maxFrameBytes: 1_000 });
    await peer.hello();
    peer.session.onBinary(new Uint8Array(1_001));
    expect(peer.closed).toMatchObject({ code: 1009 });
  });
});

describe('the end of a session', () => {
  it('ignores everything that comes after it was closed', async () => {
    const { peer } = setUp();
    await peer.hello();
    const before = peer.frames.length;
    peer.session.close('DRAIN', 'enough');
    expect(peer.closed).toEqual({ code: 4503, reason: 'enough' });
    peer.send({ type: 'ping', id: 1 });
    peer.session.onBinary(new Uint8Array(3));
    peer.session.goaway('late', 1, 1);
    peer.session.onClosed();
    peer.session.onClosed();
    await peer.advance(60_000);
    expect(peer.frames).toHaveLength(before);
    expect(peer.clock.pending).toBe(0);
  });

  it('cuts a close reason at 123 bytes', async () => {
    const { peer } = setUp();
    peer.session.close('INTERNAL', '€'.repeat(100));
    expect(peer.closed?.reason).toBe('€'.repeat(41));
  });

  it('turns a client away with 4504 and the reason while its log was never reached, and greets the next once it was', async () => {
    let logId: string | undefined;
    const unreached = (log: Log): Log =>
      Object.defineProperties(log, {
        logId: { get: () => logId },
        health: { value: () => new LogError('BROKER_NOT_AVAILABLE', 'Kafka at nowhere:1: refused') },
      });
    const early = setUp({}, unreached).peer;
    early.send(hello);
    expect(early.frames).toEqual([]);
    expect(early.closed).toEqual({ code: 4504, reason: 'Kafka at nowhere:1: refused' });
    logId = 'reached';
    const late = setUp({}, unreached).peer;
    expect(await late.hello()).toMatchObject({ logId: 'reached' });
  });

  it('closes 4503 at once instead of goaway when no hello has come', async () => {
    const { peer } = setUp();
    peer.session.goaway('shutting down', 250, 10_000);
    expect(peer.frames).toEqual([]);
    expect(peer.closed).toEqual({ code: 4503, reason: 'shutting down' });
    expect(peer.clock.pending).toBe(0);
  });

  it('goes on serving after goaway', async () => {
    const { peer } = setUp();
    await peer.hello();
    peer.session.goaway('shutting down', 250, 10_000);
    expect(peer.frames.at(-1)).toEqual({
      type: 'goaway',
      reason: 'shutting down',
      reconnectAfterMs: 250,
      closeInMs: 10_000,
    });
    expect(await peer.request({ type: 'ping', id: 1 })).toEqual({ type: 'ping', id: 1 });
  });
});

describe('what nobody expected', () => {
  it('is logged, answered UNKNOWN_SERVER_ERROR without its details, and never escapes', async () => {
    const { peer } = setUp({}, (log) => ({
      ...log,
      logId: log.logId,
      autoCreateTopics: true,
      groups: log.groups,
      topics: () => Promise.reject(new Error('secret detail')),
      listOffsets: () => {
        throw new TypeError('secret detail');
      },
    }));
    await peer.hello();
    const answers = [
      await peer.request({ type: 'metadata', id: 1 }),
      await peer.request({ type: 'listOffsets', id: 2, isolation: 'read_committed', partitions: [] }),
    ];
    for (const answer of answers) {
      expect(answer).toMatchObject({ type: 'error', code: 'UNKNOWN_SERVER_ERROR', retriable: false });
      expect(JSON.stringify(answer)).not.toContain('secret');
    }
    expect(peer.logged.splice(0)).toHaveLength(2);
    expect(await peer.request({ type: 'ping', id: 3 })).toEqual({ type: 'ping', id: 3 });
  });
});
