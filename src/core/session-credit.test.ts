// Consumers that share a socket and seek all the time: what the gateway has sent to each and what each has granted, read off the wire.
import { describe, expect, it } from 'vitest';
import { parseClientFrame, parseDataFrame, parseServerFrame } from '../protocol/index.ts';
import { createTestGateway } from '../testing/index.ts';
import { Client } from './client.ts';
import type { Consumer } from './consumer.ts';
import type { Transport } from './transport.ts';

const MAX_IN_FLIGHT = 32 * 1024;
const RECORDS = 2_000;
const SEEKS = 2_000;
const at = { topic: 't', partition: 0 };

interface Account {
  /** Bytes of batches that came on streams announced for the consumer. */
  sent: number;
  /** The highest limit of the whole consumer that was told. */
  limit: number;
  /** The most that could have been on its way. */
  mostOnItsWay: number;
}

/** Keeps the books of one connection as an outsider would, with nothing but PROTOCOL.md at hand. */
function audited(transport: Transport, accounts: Map<number, Account>): Transport {
  const streams = new Map<number, number>();
  const accountOf = (consumer: number): Account => {
    let account = accounts.get(consumer);
    if (account === undefined) accounts.set(consumer, (account = { sent: 0, limit: 0, mostOnItsWay: 0 }));
    return account;
  };
  return {
    name: 'audited',
    defaultServer: transport.defaultServer,
    defaultScheme: transport.defaultScheme,
    dial(url, protocol, handlers) {
      const connection = transport.dial(url, protocol, {
        ...handlers,
        onOpen: () => handlers.onOpen(),
        onClose: (close) => handlers.onClose(close),
        onFrame: (frame) => {
          if (typeof frame === 'string') {
            const control = parseServerFrame(frame);
            if (control?.type === 'feed') streams.set(control.stream, control.consumer);
          } else {
            const { stream, batches } = parseDataFrame(frame);
            const consumer = streams.get(stream);
            if (consumer === undefined) throw new Error(`stream ${stream} was not announced`);
            accountOf(consumer).sent += batches.length;
          }
          handlers.onFrame(frame);
        },
      });
      return {
        get bufferedBytes() {
          return connection.bufferedBytes;
        },
        close: (code, reason) => connection.close(code, reason),
        send: (frame) => {
          const control = typeof frame === 'string' ? parseClientFrame(frame) : undefined;
          if ((control?.type === 'fetch' || control?.type === 'credit') && control.limit !== undefined) {
            const account = accountOf(control.consumer);
            account.limit = Math.max(account.limit, control.limit);
            account.mostOnItsWay = Math.max(account.mostOnItsWay, account.limit - account.sent);
          }
          connection.send(frame);
        },
      };
    },
  };
}

/** Reads up to the end of what there is, from wherever it is. */
async function readToEnd(consumer: Consumer, end: number): Promise<void> {
  while ((await consumer.position(at)) < end) {
    if ((await consumer.poll({ timeoutMs: 5_000 })).length === 0) throw new Error('the consumer has stalled');
  }
}

describe('credit on a shared socket', () => {
  it.each([
    ['one after the other', 1],
    ['in bursts', 7],
  ])('is exact over thousands of seeks of two consumers on one partition, %s', async (_, burst) => {
    const limits = { requestsPerSecond: 1_000_000, requestBurst: 1_000_000 };
    await using gateway = await createTestGateway({ topics: [{ name: 't' }], limits });
    for (let i = 0; i < RECORDS; i += 20) {
      await gateway.produce(
        't',
        Array.from({ length: 20 }, (_, n) => `${i + n}`.padEnd(100)),
      );
    }
    const accounts = new Map<number, Account>();
    await using client = new Client({ transport: audited(gateway.transport, accounts) });
    let seed = 7;
    const upTo = (max: number) => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % max;
    };
    let end = RECORDS;
    const work = async (isolationLevel: 'read_committed' | 'read_uncommitted'): Promise<Consumer> => {
      const consumer = client.consumer({
        isolationLevel,
        fetchMaxBytes: MAX_IN_FLIGHT,
        maxPartitionFetchBytes: 16 * 1024,
        maxBufferedBytes: 128 * 1024,
        autoOffsetReset: 'earliest',
      });
      await consumer.assign([at]);
      for (let seeks = 0; seeks < SEEKS; seeks++) {
        const offset = upTo(end);
        consumer.seek(at, offset);
        if (seeks % 50 === 0) {
          await gateway.produce('t', [`${end++}`]);
          consumer.seekToEnd([at]);
          consumer.seek(at, offset);
        }
        if (seeks % 31 === 0) {
          consumer.pause([at]);
          await Promise.resolve();
          consumer.resume([at]);
        }
        if (seeks % burst !== 0) {
          if (upTo(3) === 0) await new Promise((resolve) => setTimeout(resolve));
          continue;
        }
        const [first] = await consumer.poll({ timeoutMs: 5_000, maxRecords: 1 + upTo(100) });
        expect(first?.offset).toBe(offset);
      }
      return consumer;
    };
    const consumers = await Promise.all([work('read_uncommitted'), work('read_committed')]);
    await Promise.all(consumers.map((consumer) => readToEnd(consumer, end)));
    // The last grants are still on their way when the last record is here.
    await expect
      .poll(() => [...accounts.values()].every(({ limit, sent }) => limit - sent >= (MAX_IN_FLIGHT * 7) / 8))
      .toBe(true);
    expect([...accounts.keys()]).toEqual([0, 1]);
    for (const { sent, limit, mostOnItsWay } of accounts.values()) {
      expect(sent).toBeGreaterThan(1_000_000);
      // Nothing counted that was not sent for this consumer.
      expect(mostOnItsWay).toBeLessThanOrEqual(MAX_IN_FLIGHT);
      // Nothing sent that was not counted: all but the eighth that need not be told is granted again.
      expect(limit - sent).toBeGreaterThanOrEqual((MAX_IN_FLIGHT * 7) / 8);
    }
    for (const consumer of consumers) expect(consumer.metrics().bufferedBytes).toBe(0);
  });
});
