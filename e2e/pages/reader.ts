// A page that reads a topic as its query says and keeps count of every offset, so that a test can ask what arrived.
// ?topic=T [&from=earliest] [&group=G [&resume=no]] [&surface=poll|stream|iterator] [&delay=MS between polls] [&buffer=BYTES] [&codecs=all]
import { Consumer, type ConsumerConfig, type ConsumerEvent } from 'distributedlog';
import { decompressors } from 'distributedlog/codecs';

interface Seen {
  /** How often each offset arrived, by partition. */
  readonly offsets: Record<number, Record<number, number>>;
  total: number;
  first: string | null;
  last: string | null;
  outOfOrder: number;
  readonly statuses: string[];
  readonly events: ConsumerEvent[];
  error: string | null;
  maxBufferedBytes: number;
  live: boolean;
}
declare global {
  interface Window {
    readonly seen: Seen;
    readonly consumer: Consumer<Uint8Array, string>;
    setDelayMs(delayMs: number): void;
  }
}

const query = new URLSearchParams(location.search);
const topic = query.get('topic') ?? 'events';
let delayMs = Number(query.get('delay') ?? 0);

const seen: Seen = {
  offsets: {},
  total: 0,
  first: null,
  last: null,
  outOfOrder: 0,
  statuses: [],
  events: [],
  error: null,
  maxBufferedBytes: 0,
  live: false,
};
const config: ConsumerConfig<Uint8Array, string> = {
  groupId: query.get('group') ?? undefined,
  resumeAfterReload: query.get('resume') !== 'no',
  autoOffsetReset: query.get('from') === 'earliest' ? 'earliest' : 'latest',
  autoCommitIntervalMs: 200,
  maxBufferedBytes: query.has('buffer') ? Number(query.get('buffer')) : undefined,
  reconnectBackoffMaxMs: 500,
  decompressors: query.get('codecs') === 'all' ? decompressors : undefined,
  value: (bytes) => new TextDecoder().decode(bytes),
};
const consumer = new Consumer(config);
Object.assign(window, {
  seen,
  consumer,
  setDelayMs(value: number) {
    delayMs = value;
  },
});

const next: Record<number, number> = {};
function onRecord({ partition, offset, value }: { partition: number; offset: number; value: string | null }): void {
  seen.offsets[partition] ??= {};
  const counts = seen.offsets[partition];
  counts[offset] = (counts[offset] ?? 0) + 1;
  if (offset < (next[partition] ?? 0)) seen.outOfOrder += 1;
  next[partition] = offset + 1;
  seen.first ??= value;
  seen.last = value;
  seen.total += 1;
}

consumer.status$.subscribe((status) => seen.statuses.push(status.type));
consumer.events$.subscribe((event) => seen.events.push(event));
setInterval(() => {
  seen.maxBufferedBytes = Math.max(seen.maxBufferedBytes, consumer.metrics().bufferedBytes);
}, 20);

async function read(): Promise<void> {
  await consumer.subscribe(topic);
  seen.live = true;
  switch (query.get('surface') ?? 'poll') {
    case 'stream':
      consumer.stream().subscribe({ next: onRecord, error: (error) => (seen.error = String(error)) });
      return;
    case 'iterator':
      for await (const record of consumer) onRecord(record);
      return;
    default:
      for (;;) {
        for (const record of await consumer.poll()) onRecord(record);
        if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
      }
  }
}
read().catch((error) => {
  seen.error = String(error);
});
