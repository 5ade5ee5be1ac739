// One consumer in a process of its own: ours through a gateway, or a rival that reads the broker directly. Started by kafka.ts
// with a Task as its argument; tells when it is ready (latency) and what it has read. Every reader touches every value the same way.
import { randomUUID } from 'node:crypto';
import { compressionsAlgorithms, Consumer as DirectConsumer } from '@platformatic/kafka';
import { Consumer } from 'distributedlog';
import { decompressors } from 'distributedlog/codecs';
import kafkajs from 'kafkajs';

export type ReaderName = 'ours' | 'ours without codecs' | '@platformatic/kafka' | 'kafkajs';
export interface Task {
  readonly reader: ReaderName;
  /** Of the broker, or of the gateway. */
  readonly address: string;
  readonly topic: string;
  /** 'latency' begins at the end, and reads until a record without a value. */
  readonly measure: { readonly records: number } | 'latency';
}
/** What was read, and how long it took from the first record in hand to the last. */
export interface Reading {
  readonly type: 'reading';
  readonly seconds: number;
  readonly records: number;
  readonly bytes: number;
  readonly lastBytes: number;
  /** Of the process. */
  readonly cpuSeconds: number;
}
/** Times from before `send` to the record in hand, ms. */
export interface Latencies {
  readonly type: 'latencies';
  readonly ms: readonly number[];
}
export type ReaderNews = Reading | Latencies | { readonly type: 'ready' };

/** Given every value; false: that was the last one. */
type Touch = (value: Uint8Array | null | undefined) => boolean;
/** Reads and never resolves: whoever started it ends the process. */
type Reader = (task: Task, touch: Touch) => Promise<void>;

/** The largest answer that each asks for. Two megabytes is where more did not make any of them faster. */
const MAX_BYTES = 2 * 1024 * 1024;

async function readOurs({ reader, address, topic, measure }: Task, touch: Touch): Promise<void> {
  const consumer = new Consumer({
    bootstrapServers: address,
    autoOffsetReset: measure === 'latency' ? 'latest' : 'earliest',
    ...(reader === 'ours' ? { decompressors } : {}),
  });
  await consumer.assign([{ topic, partition: 0 }]);
  for (;;) {
    for (const { value } of await consumer.poll()) {
      if (!touch(value)) return;
    }
  }
}

async function readPlatformatic({ address, topic, measure }: Task, touch: Touch): Promise<void> {
  const consumer = new DirectConsumer({
    clientId: 'bench',
    groupId: `bench-${randomUUID()}`,
    bootstrapBrokers: address.split(','),
    autocommit: false,
    isolationLevel: 0,
    minBytes: 1,
    maxBytes: MAX_BYTES,
    maxBytesPerPartition: MAX_BYTES,
    maxWaitTime: 500,
    highWaterMark: 4096,
  });
  const stream = await consumer.consume({ topics: [topic], mode: measure === 'latency' ? 'latest' : 'earliest' });
  // The quickest of its ways: events rather than `for await`.
  stream.on('data', ({ value }) => {
    touch(value);
  });
  stream.on('error', fail);
}

async function readKafkaJs({ address, topic, measure }: Task, touch: Touch): Promise<void> {
  const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs;
  const lz4 = compressionsAlgorithms.lz4;
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: ({ buffer }: { buffer: Buffer }) => Promise.resolve(lz4.compressSync(buffer)),
    decompress: (buffer: Buffer) => Promise.resolve(lz4.decompressSync(buffer)),
  });
  const kafka = new Kafka({ clientId: 'bench', brokers: address.split(','), logLevel: logLevel.ERROR });
  const consumer = kafka.consumer({
    groupId: `bench-${randomUUID()}`,
    readUncommitted: true,
    minBytes: 1,
    maxBytes: MAX_BYTES,
    maxBytesPerPartition: MAX_BYTES,
    maxWaitTimeInMs: 500,
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: measure !== 'latency' });
  await consumer.run({
    autoCommit: false,
    // The quickest of its ways: a batch at a time.
    eachBatch: ({ batch }) => {
      for (const { value } of batch.messages) if (!touch(value)) break;
      return Promise.resolve();
    },
  });
}

const READERS: Readonly<Record<ReaderName, Reader>> = {
  ours: readOurs,
  'ours without codecs': readOurs,
  '@platformatic/kafka': readPlatformatic,
  kafkajs: readKafkaJs,
};

function tell(news: ReaderNews): void {
  process.send?.(news);
}
function fail(error: unknown): never {
  console.error(error);
  process.exit(1);
}

function catchUp(expected: number): Touch {
  let records = 0;
  let bytes = 0;
  let lastBytes = 0;
  let startedMs = 0;
  return (value) => {
    if (records === 0) startedMs = performance.now();
    if (records === expected) fail(new Error(`more than ${expected} records`));
    records += 1;
    const length = value?.length ?? 0;
    bytes += length;
    lastBytes += value?.[length - 1] ?? 0;
    if (records < expected) return true;
    const seconds = (performance.now() - startedMs) / 1000;
    const { user, system } = process.cpuUsage();
    tell({ type: 'reading', seconds, records, bytes, lastBytes, cpuSeconds: (user + system) / 1e6 });
    return false;
  };
}

function latencies(): Touch {
  const ms: number[] = [];
  let ready = false;
  return (value) => {
    if (value === null || value === undefined) {
      tell({ type: 'latencies', ms });
      return false;
    }
    const sentNs = Buffer.from(value.buffer, value.byteOffset, 8).readBigUInt64LE();
    if (sentNs === 0n) {
      // Until this one was seen, nothing counts.
      if (!ready) tell({ type: 'ready' });
      ready = true;
    } else {
      ms.push(Number(process.hrtime.bigint() - sentNs) / 1e6);
    }
    return true;
  };
}

const task = JSON.parse(process.argv[2] ?? '') as Task;
READERS[task.reader](task, task.measure === 'latency' ? latencies() : catchUp(task.measure.records)).catch(fail);
