// The in-memory transport against the conformance cases, and what tests rely on beyond them.
import { describe, expect, it } from 'vitest';
import type { Transport } from '../core/index.ts';
import { ManualClock } from './manual-clock.ts';
import { type MemorySocket, memoryTransport } from './memory-transport.ts';
import { transportCases } from './transport-cases.ts';
import { transportPeer } from './transport-peer.ts';

function peerTransport(): Transport {
  const peers = memoryTransport({
    accept: (socket) => {
      if (socket.url.includes('dead')) throw new Error('nobody listens');
      return { ...transportPeer(socket), onClose: () => undefined };
    },
  });
  return peers;
}

function recorder() {
  const log: string[] = [];
  return {
    log,
    handlers: {
      onOpen: () => log.push('open'),
      onFrame: (frame: string | Uint8Array) => log.push(`frame ${frame}`),
      onClose: ({ code }: { code: number }) => log.push(`close ${code}`),
    },
  };
}
const settled = () => new Promise((resolve) => setTimeout(resolve));

describe('the memory transport', () => {
  for (const { name, run } of transportCases) {
    it(name, () => run({ transport: peerTransport(), server: { url: 'ws://peer:1/', deadUrl: 'ws://dead:1/' } }));
  }

  it('holds delivery, both ways, and then delivers it all in order', async () => {
    let server: MemorySocket | undefined;
    const seen: string[] = [];
    const transport = memoryTransport({
      accept: (socket) => {
        server = socket;
        return { onFrame: (frame) => seen.push(String(frame)), onClose: () => undefined };
      },
    });
    const { log, handlers } = recorder();
    const connection = transport.dial('ws://x/', 'p', handlers);
    await settled();
    transport.holdDelivery(true);
    connection.send('a');
    connection.send('b');
    server?.send('c');
    await settled();
    expect([seen, log]).toEqual([[], ['open']]);
    expect(connection.bufferedBytes).toBe(2);
    transport.holdDelivery(false);
    expect([seen, log]).toEqual([
      ['a', 'b'],
      ['open', 'frame c'],
    ]);
    expect(connection.bufferedBytes).toBe(0);
  });

  it('copies what it is given, so that the sender may use its buffer again', async () => {
    const transport = memoryTransport({
      accept: (socket) => ({ onFrame: (frame) => socket.send(frame), onClose: () => undefined }),
    });
    const { log, handlers } = recorder();
    const connection = transport.dial('ws://x/', 'p', handlers);
    await settled();
    const buffer = new Uint8Array([1, 2]);
    connection.send(buffer);
    buffer.fill(9);
    await settled();
    expect(log).toEqual(['open', 'frame 1,2']);
  });

  it('lets a server stop reading, so that what it is sent waits with the client', async () => {
    const seen: string[] = [];
    const transport = memoryTransport({
      accept: (socket) => {
        socket.pauseReading();
        return { onFrame: (frame) => seen.push(String(frame)), onClose: () => undefined };
      },
    });
    const connection = transport.dial('ws://x/', 'p', recorder().handlers);
    await settled();
    connection.send('abc');
    await settled();
    expect([seen, connection.bufferedBytes]).toEqual([[], 3]);
    transport.sockets[0]?.resumeReading();
    expect([seen, connection.bufferedBytes]).toEqual([['abc'], 0]);
  });

  it('delivers after its latency on a clock', async () => {
    const clock = new ManualClock();
    const transport = memoryTransport({
      clock,
      latencyMs: 10,
      accept: (socket) => ({ onFrame: (frame) => socket.send(frame), onClose: () => undefined }),
    });
    const { log, handlers } = recorder();
    const connection = transport.dial('ws://x/', 'p', handlers);
    clock.advance(10);
    connection.send('a');
    clock.advance(19);
    expect(log).toEqual(['open']);
    clock.advance(1);
    expect(log).toEqual(['open', 'frame a']);
  });

  it('changes its latency for what comes later, and nothing overtakes', () => {
    const clock = new ManualClock();
    const transport = memoryTransport({
      clock,
      latencyMs: 10,
      accept: (socket) => ({ onFrame: (frame) => socket.send(frame), onClose: () => undefined }),
    });
    const { log, handlers } = recorder();
    const connection = transport.dial('ws://x/', 'p', handlers);
    clock.advance(10);
    transport.latencyMs = 100;
    connection.send('slow');
    transport.latencyMs = 1;
    connection.send('fast');
    clock.advance(100);
    expect(log).toEqual(['open']);
    clock.advance(1);
    expect(log).toEqual(['open', 'frame slow', 'frame fast']);
    expect(() => {
      transport.latencyMs = -1;
    }).toThrow(/at least 0/);
  });

  it('tells a sender of every frame that it is done with, delivered or lost', async () => {
    const written: string[] = [];
    const transport = memoryTransport({
      accept: (socket) => {
        socket.send('a', () => written.push('a'));
        return { onFrame: () => undefined, onClose: () => undefined };
      },
    });
    transport.dial('ws://x/', 'p', recorder().handlers);
    await settled();
    const [socket] = transport.sockets;
    transport.holdDelivery(true);
    socket?.send('b', () => written.push('b'));
    socket?.terminate();
    await settled();
    socket?.send('c', () => written.push('c'));
    await settled();
    expect(written).toEqual(['a', 'b', 'c']);
    expect(transport.sockets).toEqual([]);
  });
});
