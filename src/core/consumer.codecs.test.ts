// Batches as Java's producer and librdkafka wrote them: who decompresses, and what is said where nobody can.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { decompressors } from '../codecs/index.ts';
import { sampleLines } from '../codecs/sample.test-support.ts';
import { ATTRIBUTES_AT, BATCH_HEADER_BYTES, COMPRESSIONS, LENGTH_AT, sealBatch } from '../protocol/record-batch.ts';
import { createTestGateway, type TestGateway, type TestGatewayOptions } from '../testing/index.ts';
import { consumerOf, T0 } from './consumer.test-support.ts';
import type { ConsumerConfig } from './consumer-config.ts';
import { Client } from './index.ts';

const CODECS = ['snappy', 'lz4', 'zstd'] as const;
const WRITTEN = ['java-gzip', 'java-snappy', 'java-lz4', 'java-zstd', 'kcat-snappy', 'kcat-lz4', 'kcat-zstd'];
const fixture = (name: string) =>
  new Uint8Array(readFileSync(new URL(`../codecs/fixtures/${name}.batch`, import.meta.url)));
const LINES = sampleLines();
const text = new TextDecoder();

/** With these batches, one behind the other, and then the record 'last'. */
async function gatewayWith(batches: readonly Uint8Array[], options: TestGatewayOptions = {}): Promise<TestGateway> {
  const gateway = await createTestGateway({ topics: [{ name: 't' }], ...options });
  const [topic] = await gateway.log.topics(['t']);
  for (const batch of batches) await gateway.log.append({ topicId: topic?.topicId ?? '', partition: 0 }, batch);
  await gateway.produce('t', ['last']);
  return gateway;
}
/** Until 'last'. */
async function readAll(consumer: ReturnType<typeof consumerOf>): Promise<string[]> {
  const values: string[] = [];
  while (values.at(-1) !== 'last') {
    for (const { value } of await consumer.poll({ timeoutMs: 5_000 })) values.push(text.decode(value ?? undefined));
  }
  return values.slice(0, -1);
}
/** Without a page of them where they differ. */
function expectLines(values: readonly string[]): void {
  expect(values).toHaveLength(LINES.length);
  expect(values.findIndex((value, i) => value !== LINES[i])).toBe(-1);
}
/** The header of a real batch over other bytes, with a right length and CRC. */
function batchOf(codec: (typeof CODECS)[number], records: readonly number[]): Uint8Array {
  const batch = new Uint8Array(BATCH_HEADER_BYTES + records.length);
  batch.set(fixture('java-lz4').subarray(0, BATCH_HEADER_BYTES));
  batch.set(records, BATCH_HEADER_BYTES);
  new DataView(batch.buffer).setInt32(LENGTH_AT, batch.length - 12);
  batch[ATTRIBUTES_AT + 1] = COMPRESSIONS.indexOf(codec);
  sealBatch(batch);
  return batch;
}
/** 65,300 zeros. */
const LZ4_BLOCK = [5, 1, 0, 0, 0x1f, 0, 1, 0, ...new Array(256).fill(255), 0];
/** Each is of 18 MiB and more, or says so. */
const BOMBS = {
  snappy: [...[0x80, 0x80, 0x80, 0x20], ...new Array(3 * 2 ** 20 + 400_000).fill(0)],
  lz4: [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, ...new Array(300).fill(LZ4_BLOCK).flat()],
  zstd: [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50, ...new Array(200).fill([2, 0, 16, 0]).flat()],
};

describe('batches in codecs the client announces', () => {
  it.each(WRITTEN)('%s: come as they are, and their records byte for byte', async (name) => {
    const batch = fixture(name);
    const seen: number[] = [];
    const spied = Object.fromEntries(
      CODECS.map((codec) => [
        codec,
        (bytes: Uint8Array, maxBytes: number) => {
          seen.push(bytes.length);
          return decompressors[codec](bytes, maxBytes);
        },
      ]),
    );
    await using gateway = await gatewayWith([batch]);
    await using consumer = consumerOf(gateway, { decompressors: spied });
    await consumer.subscribe('t');
    expectLines(await readAll(consumer));
    if (name !== 'java-gzip') expect(seen).toEqual([batch.length - BATCH_HEADER_BYTES]);
  });

  it('are so for every consumer of a client, which says it once', async () => {
    await using gateway = await gatewayWith(WRITTEN.map(fixture));
    await using client = new Client({ ...gateway.config, decompressors });
    for (const consumer of [client.consumer({ autoOffsetReset: 'earliest' }), client.consumer({})]) {
      await consumer.assign([T0]);
      consumer.seekToBeginning();
      expect(await readAll(consumer)).toHaveLength(WRITTEN.length * LINES.length);
    }
    const own: ConsumerConfig = { decompressors };
    expect(() => client.consumer(own)).toThrowError('the configuration of the Client');
  });

  it('may include gzip, where the runtime has none', async () => {
    vi.stubGlobal('DecompressionStream', undefined);
    try {
      await using gateway = await gatewayWith([fixture('java-gzip')]);
      await using consumer = consumerOf(gateway, { decompressors: { gzip: (bytes) => gunzipSync(bytes) } });
      await consumer.subscribe('t');
      expectLines(await readAll(consumer));
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('are never passed over where fewer bytes come out than there are records', async () => {
    await using gateway = await gatewayWith([fixture('java-lz4')]);
    await using consumer = consumerOf(gateway, { decompressors: { lz4: () => new Uint8Array(100) } });
    await consumer.subscribe('t');
    const refused = { code: 'CORRUPT_MESSAGE', topic: 't', partition: 0, offset: 0 };
    await expect(consumer.poll({ timeoutMs: 5_000 })).rejects.toMatchObject(refused);
    await expect(consumer.poll()).rejects.toMatchObject(refused);
  });

  it.each(CODECS)('%s: that would be too large fail every read until a seek passes them', async (codec) => {
    await using gateway = await gatewayWith([batchOf(codec, BOMBS[codec])]);
    await using consumer = consumerOf(gateway, { decompressors });
    await consumer.subscribe('t');
    const refused = { code: 'RECORD_TOO_LARGE', topic: 't', partition: 0, offset: 0 };
    await expect(consumer.poll({ timeoutMs: 5_000 })).rejects.toMatchObject(refused);
    await expect(consumer.poll()).rejects.toMatchObject(refused);
    consumer.seek(T0, LINES.length);
    expect(await readAll(consumer)).toEqual([]);
  });

  it.each(CODECS)(
    '%s: that are damaged are fetched once more, and then CORRUPT_MESSAGE until a seek',
    async (codec) => {
      await using gateway = await gatewayWith([batchOf(codec, [9, 9, 9, 9, 9, 9, 9, 9, 9])]);
      let calls = 0;
      const counted = (bytes: Uint8Array, maxBytes: number) => {
        calls++;
        return decompressors[codec](bytes, maxBytes);
      };
      await using consumer = consumerOf(gateway, { decompressors: { [codec]: counted } });
      await consumer.subscribe('t');
      const refused = { code: 'CORRUPT_MESSAGE', topic: 't', partition: 0, offset: 0 };
      await expect(consumer.poll({ timeoutMs: 5_000 })).rejects.toMatchObject(refused);
      expect(calls).toBe(2);
      await expect(consumer.poll()).rejects.toMatchObject(refused);
      consumer.seek(T0, LINES.length);
      expect(await readAll(consumer)).toEqual([]);
    },
  );
});

describe('batches in codecs the client does not announce', () => {
  it.each(WRITTEN)('%s: are decompressed by a gateway that can', async (name) => {
    await using gateway = await gatewayWith([fixture(name)], { decompressors });
    await using consumer = consumerOf(gateway, { decompressors: { zstd: undefined } });
    await consumer.subscribe('t');
    expectLines(await readAll(consumer));
  });

  it.each(CODECS)('%s: end the fetch where the gateway cannot either, until a seek passes them', async (codec) => {
    await using gateway = await gatewayWith([fixture(`java-${codec}`)]);
    await using consumer = consumerOf(gateway);
    await consumer.subscribe('t');
    const refused = { code: 'UNSUPPORTED_COMPRESSION_TYPE', topic: 't', partition: 0, offset: 0 };
    await expect(consumer.poll({ timeoutMs: 5_000 })).rejects.toMatchObject(refused);
    consumer.seek(T0, LINES.length);
    expect(await readAll(consumer)).toEqual([]);
  });

  it.each(CODECS)('%s: that would be too large, or are damaged, fail the read at their offset', async (codec) => {
    const cases = { RECORD_TOO_LARGE: BOMBS[codec], CORRUPT_MESSAGE: [9, 9, 9, 9, 9, 9, 9, 9, 9] };
    for (const [code, records] of Object.entries(cases)) {
      await using gateway = await gatewayWith([batchOf(codec, records)], { decompressors });
      await using consumer = consumerOf(gateway);
      await consumer.subscribe('t');
      await expect(consumer.poll({ timeoutMs: 5_000 })).rejects.toMatchObject({ code, partition: 0, offset: 0 });
      consumer.seek(T0, LINES.length);
      expect(await readAll(consumer)).toEqual([]);
    }
  });
});

describe('decompressors in the configuration', () => {
  it('are checked by name and kind', async () => {
    await using gateway = await createTestGateway();
    const wrong = (given: object) => () => consumerOf(gateway, { decompressors: given });
    expect(wrong({ brotli: () => new Uint8Array(0) })).toThrowError(
      'unknown key "brotli" in decompressors (known keys: gzip, snappy, lz4, zstd)',
    );
    expect(wrong({ lz4: 'lz4' })).toThrowError(
      'decompressors.lz4 must be a function (compressed, maxBytes), got "lz4"',
    );
    expect(() => consumerOf(gateway, { decompressors: 'all' as never })).toThrowError(
      'decompressors must be an object of functions, got "all"',
    );
  });
});
