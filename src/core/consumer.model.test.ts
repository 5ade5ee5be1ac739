// Random histories of one consumer against a model: whatever is interleaved, each partition's records come in order, each once, from where reading stands.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTestGateway } from '../testing/index.ts';
import { Consumer } from './consumer.ts';

const PARTITIONS = 3;

type Act =
  | { readonly do: 'produce'; readonly partition: number; readonly count: number }
  | { readonly do: 'poll'; readonly max: number }
  | { readonly do: 'iterate'; readonly count: number }
  | { readonly do: 'seek' | 'pause' | 'resume'; readonly partition: number; readonly to: number }
  | { readonly do: 'drop' | 'turn' };

const partition = fc.nat({ max: PARTITIONS - 1 });
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('produce' as const), partition, count: fc.integer({ min: 1, max: 9 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('poll' as const), max: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('iterate' as const), count: fc.integer({ min: 1, max: 5 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('seek' as const, 'pause' as const, 'resume' as const),
      partition,
      to: fc.nat({ max: 100 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('drop' as const, 'turn' as const) }) },
);

describe('a consumer, whatever happens,', () => {
  it('delivers every record from its position on, in order and once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(act, { maxLength: 60 }),
        fc.integer({ min: 1024, max: 4096 }),
        async (acts, maxBufferedBytes) => {
          await using gateway = await createTestGateway({ topics: [{ name: 't', partitions: PARTITIONS }] });
          const consumer = new Consumer({
            transport: gateway.transport,
            autoOffsetReset: 'earliest',
            maxBufferedBytes,
            maxPollRecords: 7,
            reconnectBackoffMs: 1,
            reconnectBackoffMaxMs: 2,
          });
          const all = Array.from({ length: PARTITIONS }, (_, number) => ({ topic: 't', partition: number }));
          await consumer.assign(all);
          const next = all.map(() => 0);
          const end = all.map(() => 0);
          const paused = new Set<number>();
          const took = (record: { readonly partition: number; readonly offset: number }) => {
            expect(paused).not.toContain(record.partition);
            expect(record.offset).toBe(next[record.partition]);
            next[record.partition] = record.offset + 1;
          };
          const left = () => all.some((_, i) => !paused.has(i) && (next[i] ?? 0) < (end[i] ?? 0));
          for (const one of acts) {
            if (one.do === 'produce') {
              const records = Array.from({ length: one.count }, () => ({
                value: 'x'.repeat(50),
                partition: one.partition,
              }));
              await gateway.produce('t', records);
              end[one.partition] = (end[one.partition] ?? 0) + one.count;
            } else if (one.do === 'poll') {
              for (const record of await consumer.poll({ timeoutMs: left() ? 2_000 : 0, maxRecords: one.max }))
                took(record);
            } else if (one.do === 'iterate' && left()) {
              let count = 0;
              for await (const record of consumer) {
                took(record);
                if (++count === one.count || !left()) break;
              }
            } else if (one.do === 'seek') {
              const to = one.to % ((end[one.partition] ?? 0) + 1);
              consumer.seek({ topic: 't', partition: one.partition }, to);
              next[one.partition] = to;
            } else if (one.do === 'pause') {
              consumer.pause([{ topic: 't', partition: one.partition }]);
              paused.add(one.partition);
            } else if (one.do === 'resume') {
              consumer.resume([{ topic: 't', partition: one.partition }]);
              paused.delete(one.partition);
            } else if (one.do === 'drop') gateway.dropConnections();
            else await new Promise((resolve) => setImmediate(resolve));
          }
          consumer.resume();
          paused.clear();
          while (left()) {
            const records = await consumer.poll({ timeoutMs: 2_000 });
            if (records.length === 0) throw new Error(`nothing comes at ${next.join()} of ${end.join()}`);
            for (const record of records) took(record);
          }
          expect(await consumer.poll({ timeoutMs: 0 })).toEqual([]);
          for (const [i, at] of all.entries()) expect(await consumer.position(at)).toBe(next[i]);
          expect(consumer.metrics().bufferedBytes).toBe(0);
          await consumer.close();
        },
      ),
      { numRuns: 60 },
    );
  }, 60_000);
});
