// The reading ends: our three surfaces and the two rivals. Each reads `count` records, touches every value and returns records/s.
import { Consumer, type ConsumerRecord } from 'distributedlog';
import { WebSocket } from 'ws';

export type Surface = 'poll' | 'for await' | 'stream';

/** Keeps the engine from skipping the read of a value. */
let checksum = 0;
function touch(record: ConsumerRecord): void {
  const { value } = record;
  if (value) checksum += (value[0] ?? 0) + (value[value.length - 1] ?? 0);
}

const rate = (count: number, startedMs: number): number => count / ((performance.now() - startedMs) / 1000);

export async function readOurs(url: string, topic: string, count: number, surface: Surface): Promise<number> {
  await using consumer = new Consumer({ bootstrapServers: url, autoOffsetReset: 'earliest' });
  const startedMs = performance.now();
  await consumer.assign([{ topic, partition: 0 }]);
  let seen = 0;
  switch (surface) {
    case 'poll':
      while (seen < count) {
        const records = await consumer.poll();
        for (const record of records) touch(record);
        seen += records.length;
      }
      break;
    case 'for await':
      for await (const record of consumer) {
        touch(record);
        if (++seen >= count) break;
      }
      break;
    case 'stream':
      await new Promise<void>((resolve, reject) => {
        const subscription = consumer.stream().subscribe({
          next(record) {
            touch(record);
            if (++seen >= count) {
              resolve();
              subscription.unsubscribe();
            }
          },
          error: reject,
        });
      });
      break;
    default:
      surface satisfies never;
  }
  return rate(count, startedMs);
}

function readRival(url: string, topic: string, onMessage: (data: Buffer) => boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    const startedMs = performance.now();
    const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 32 * 1024 * 1024 });
    socket.on('open', () => socket.send(topic));
    socket.on('error', reject);
    socket.on('message', (data: Buffer) => {
      if (!onMessage(data)) return;
      socket.close();
      resolve(performance.now() - startedMs);
    });
  });
}

/** Rival (a): only counts bytes. `bytes`: of the whole topic. */
export async function readRaw(url: string, topic: string, count: number, bytes: number): Promise<number> {
  let seen = 0;
  const elapsedMs = await readRival(url, topic, (data) => {
    seen += data.length;
    return seen >= bytes;
  });
  return count / (elapsedMs / 1000);
}

/** Rival (b): one JSON message a record. */
export async function readJson(url: string, topic: string, count: number): Promise<number> {
  let seen = 0;
  const elapsedMs = await readRival(url, topic, (data) => {
    const record: { value: string | null } = JSON.parse(data.toString('utf8'));
    if (record.value) checksum += record.value.charCodeAt(0) + record.value.charCodeAt(record.value.length - 1);
    return ++seen >= count;
  });
  return count / (elapsedMs / 1000);
}

export const usedChecksum = (): number => checksum;
