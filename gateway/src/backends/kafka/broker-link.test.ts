import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Writer } from '@platformatic/kafka';
import { systemClock } from 'distributedlog/core';
import { LogError } from 'distributedlog/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { METADATA } from './apis.ts';
import { BrokerLink } from './broker-link.ts';
import { type KafkaLogOptions, parseKafkaLogOptions } from './options.ts';

/** A link to whatever this is, which is told each request by its API key, correlation id and number. */
async function linkTo(
  answer: (socket: Socket, api: number, correlationId: number, count: number) => void,
  options: Partial<KafkaLogOptions> = {},
) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let count = 0;
    socket.on('error', () => {});
    socket.on('data', (request) => answer(socket, request.readInt16BE(4), request.readInt32BE(8), count++));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const settings = parseKafkaLogOptions({ brokers: [`127.0.0.1:${port}`], ...options });
  const counts = { requests: 0, failures: 0, connects: 0, throttledMs: 0 };
  const link = new BrokerLink({ host: '127.0.0.1', port }, settings, systemClock, counts);
  onTestFinished(async () => {
    link.close();
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return { link, sockets };
}
const framed = (correlationId: number, body: Writer) =>
  Writer.create().appendInt32(correlationId).appendFrom(body).prependLength().buffer;
const VERSIONS = Writer.create()
  .appendInt16(0)
  .appendArray([METADATA.key], (w, key) => w.appendInt16(key).appendInt16(0).appendInt16(12))
  .appendInt32(0)
  .appendTaggedFields();
const errorOf = (work: Promise<unknown>): Promise<LogError> =>
  work.then(
    () => new LogError('ILLEGAL_STATE', 'it was answered'),
    (error: LogError) => error,
  );
const int32 = (number: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(number);
  return bytes;
};

describe('bytes that are no answer end the connection, and nothing else', () => {
  it.each([
    ['the answer of a web server', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['an alert of TLS', Buffer.from([0x15, 3, 3, 0, 2, 2, 40, 0, 0])],
    ['a length of less than what every answer has', Buffer.concat([int32(2), Buffer.alloc(3)])],
    ['a length below 0', Buffer.concat([int32(-5), Buffer.alloc(8)])],
    ['a length of 0', Buffer.concat([int32(0), Buffer.alloc(8)])],
    ['the answer to another request', framed(4711, VERSIONS)],
  ])('%s', async (_what, bytes) => {
    const { link } = await linkTo((socket) => socket.write(bytes), { requestTimeoutMs: 5_000 });
    const began = Date.now();
    expect(await errorOf(link.versions())).toMatchObject({ code: 'BROKER_NOT_AVAILABLE', retriable: true });
    expect(Date.now() - began).toBeLessThan(2_000);
  });

  it('however few of them come at once', async () => {
    const { link } = await linkTo(async (socket) => {
      for (const byte of Buffer.from('HTTP/1.1 400')) {
        socket.write(Buffer.from([byte]));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    });
    const error = await errorOf(link.versions());
    expect(error).toMatchObject({ code: 'BROKER_NOT_AVAILABLE' });
    expect(error.message).toContain('does not speak Kafka');
  });

  it('an answer that is cut short, after which the next request has another connection', async () => {
    let cut = true;
    const { link, sockets } = await linkTo((socket, api, correlationId) => {
      if (api !== METADATA.key) return socket.write(framed(correlationId, VERSIONS));
      const nothing = Writer.create()
        .appendTaggedFields()
        .appendInt32(0)
        .appendArray([], () => {});
      const all = Writer.create().appendFrom(nothing).appendString('c').appendInt32(0);
      all.appendArray([], () => {}).appendTaggedFields();
      socket.write(framed(correlationId, cut ? nothing : all));
      cut = false;
      return true;
    });
    expect(await errorOf(link.request(METADATA, null))).toMatchObject({ code: 'BROKER_NOT_AVAILABLE' });
    expect(await link.request(METADATA, null)).toMatchObject({ clusterId: 'c' });
    expect(sockets.size).toBe(2);
  });

  it('what is no answer to SCRAM', async () => {
    const { link } = await linkTo(
      (socket, _api, correlationId, count) => {
        const handshake = Writer.create()
          .appendInt16(0)
          .appendArray(['SCRAM-SHA-256'], (w, name) => w.appendString(name, false), false, false);
        const garbage = Writer.create().appendTaggedFields().appendInt16(0).appendString(null);
        garbage.appendBytes(Buffer.from('nonsense')).appendInt64(0n).appendTaggedFields();
        socket.write(framed(correlationId, count === 0 ? handshake : garbage));
      },
      { sasl: { mechanism: 'SCRAM-SHA-256', username: 'u', password: 'very secret' } },
    );
    const error = await errorOf(link.versions());
    expect(error).toMatchObject({ code: 'BROKER_NOT_AVAILABLE' });
    expect(error.message).not.toContain('very secret');
  });
});

describe('a link that is closed', () => {
  it('ends what is under way at once, also to a broker that does not read any more', async () => {
    let reading = true;
    const { link, sockets } = await linkTo((socket, _api, correlationId) => {
      if (!reading) return;
      reading = false;
      socket.write(framed(correlationId, VERSIONS));
      socket.pause();
    });
    await link.versions();
    // More than all buffers on the way hold.
    const names = Array.from({ length: 1_000 }, () => 'x'.repeat(20_000));
    const error = errorOf(link.request(METADATA, names));
    // It is written in a later turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    const began = Date.now();
    link.close();
    expect(await error).toMatchObject({ code: 'BROKER_NOT_AVAILABLE' });
    expect(Date.now() - began).toBeLessThan(2_000);
    expect(sockets.size).toBe(1);
  });
});
