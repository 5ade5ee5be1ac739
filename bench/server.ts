// The process at the other end: our gateway, or one of its rivals, over the same embedded log. Started by run.ts with
// `server.js KIND DIR`, where KIND is gateway, raw or json; prints its WebSocket URL and ends when its parent does.
import type { AddressInfo } from 'node:net';
import { embeddedLog, type Log, startGateway } from '@distributedlog/gateway';
import { encodeBatch, RecordReader, readBatchHeader } from 'distributedlog/protocol';
import { type WebSocket, WebSocketServer } from 'ws';

const RECORDS_PER_BATCH = 500;
const FRAME_BYTES = 256 * 1024;
/** How much a rival leaves in its socket's buffer before it waits: enough to keep the kernel busy. */
const HIGH_WATER_BYTES = 4 * 1024 * 1024;

/** Fills `topic` with `count` records of `valueBytes`, unless an earlier run of this process's directory has. */
async function fill(log: Log, topic: string, count: number, valueBytes: number): Promise<string> {
  const info = (await log.topics([topic]))[0] ?? (await log.createTopic({ name: topic, partitions: 1 }));
  let offset = log.ends({ topicId: info.topicId, partition: 0 })?.highWatermark ?? 0;
  const waiting: Promise<unknown>[] = [];
  while (offset < count) {
    const records = Array.from({ length: Math.min(RECORDS_PER_BATCH, count - offset) }, (_, index) => ({
      key: null,
      value: new Uint8Array(valueBytes).fill(97 + ((offset + index) % 26)),
      timestamp: 1_700_000_000_000 + offset + index,
    }));
    waiting.push(log.append({ topicId: info.topicId, partition: 0 }, encodeBatch(records)));
    offset += records.length;
    if (waiting.length >= 64) await waiting.shift();
  }
  await Promise.all(waiting);
  return info.topicId;
}

async function readFrames(
  log: Log,
  topicId: string,
  onFrame: (batches: Uint8Array) => Promise<void> | undefined,
): Promise<void> {
  for (let offset = 0; ; ) {
    const read = await log.read({
      topicId,
      partition: 0,
      offset,
      isolation: 'read_uncommitted',
      maxBytes: FRAME_BYTES,
      minBytes: 0,
      maxWaitMs: 0,
      headroom: 64,
    });
    if (read.batchBytes === 0) return;
    await onFrame(read.buffer.subarray(64, 64 + read.batchBytes));
    offset = read.nextOffset;
  }
}

function serveRival(onTopic: (socket: WebSocket, topic: string) => Promise<void>): Promise<string> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  server.on('connection', (socket) => {
    socket.on('error', (error) => console.error(error));
    socket.on('message', (topic) => void onTopic(socket, String(topic)).catch((error) => console.error(error)));
  });
  return new Promise((resolve) => {
    server.on('listening', () => resolve(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`));
  });
}

/** Rival (a): the very same batches in frames of the same size, read beforehand; nothing but `ws.send`. */
async function raw(socket: WebSocket, frames: readonly Uint8Array[]): Promise<void> {
  for (const frame of frames) {
    const written = new Promise<void>((resolve) => socket.send(frame, () => resolve()));
    if (socket.bufferedAmount > HIGH_WATER_BYTES) await written;
  }
}

/** Rival (b): what people write by hand: decode, one JSON message a record. */
async function json(socket: WebSocket, log: Log, topic: string, topicId: string): Promise<void> {
  await readFrames(log, topicId, async (batches) => {
    let last: Promise<void> | undefined;
    for (let at = 0; ; ) {
      const header = readBatchHeader(batches, at);
      if (!header) break;
      const reader = new RecordReader(topic, 0, batches, at, header);
      for (let record = reader.next(0); record; record = reader.next(0)) {
        const { offset, timestamp, key, value } = record;
        const text =
          value === null ? null : Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8');
        const message = JSON.stringify({ topic, partition: 0, offset, timestamp, key, value: text, headers: {} });
        if (socket.bufferedAmount > HIGH_WATER_BYTES)
          last = new Promise((resolve) => socket.send(message, () => resolve()));
        else socket.send(message);
      }
      at += header.sizeInBytes;
    }
    await last;
  });
}

const [kind, dir, ...topics] = process.argv.slice(2);
if (!kind || !dir) throw new Error('usage: server.js gateway|raw|json DIR TOPIC:COUNT:VALUE_BYTES…');
const log = await embeddedLog({ dir });
const topicIds = new Map<string, string>();
for (const spec of topics) {
  const [topic = '', count, valueBytes] = spec.split(':');
  topicIds.set(topic, await fill(log, topic, Number(count), Number(valueBytes)));
}
const idOf = (topic: string): string => {
  const id = topicIds.get(topic);
  if (!id) throw new Error(`no topic ${topic}`);
  return id;
};
if (kind === 'gateway') {
  console.log((await startGateway({ log, port: 0 })).url);
} else if (kind === 'raw') {
  const frames = new Map<string, Uint8Array[]>();
  for (const [topic, id] of topicIds) {
    const copies: Uint8Array[] = [];
    await readFrames(log, id, (batches) => void copies.push(batches.slice()));
    frames.set(topic, copies);
  }
  console.log(await serveRival((socket, topic) => raw(socket, frames.get(topic) ?? [])));
} else {
  console.log(await serveRival((socket, topic) => json(socket, log, topic, idOf(topic))));
}
process.stdin.resume().on('end', () => void log.close().then(() => process.exit(0)));
