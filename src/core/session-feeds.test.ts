// Which stream feeds whom.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Feed, FeedTable } from './session-feeds.ts';

describe('feeds', () => {
  it('are always the latest of each consumer and partition, whatever came before', () => {
    const small = fc.integer({ min: 0, max: 2 });
    const step = fc.oneof(
      fc.record({ do: fc.constant('open' as const), stream: small, consumer: small, partition: small, epoch: small }),
      fc.record({
        do: fc.constant('close' as const),
        consumer: small,
        partition: small,
        epoch: fc.option(small, { nil: undefined }),
      }),
      fc.record({ do: fc.constant('closeConsumer' as const), consumer: small }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const table = new FeedTable();
        const model = new Map<string, Feed & { stream: number }>();
        for (const what of steps) {
          const topicId = 't';
          if (what.do === 'open') {
            const { stream, consumer, partition, epoch } = what;
            table.open({ type: 'feed', stream, consumer, topicId, partition, epoch, offset: 0 });
            model.set(`${consumer} ${partition}`, { stream, consumer, topicId, partition, epoch });
          } else if (what.do === 'close') {
            const { consumer, partition, epoch } = what;
            table.close(consumer, topicId, partition, epoch);
            const key = `${consumer} ${partition}`;
            const fed = model.get(key);
            if (fed !== undefined && (epoch === undefined || fed.epoch <= epoch)) model.delete(key);
          } else {
            table.closeConsumer(what.consumer);
            for (const [key, fed] of model) if (fed.consumer === what.consumer) model.delete(key);
          }
          for (const stream of [0, 1, 2]) {
            const name = ({ consumer, partition, epoch }: Feed) => `${consumer} ${partition} ${epoch}`;
            const expected = [...model.values()].filter((fed) => fed.stream === stream).map(name);
            expect(table.of(stream).map(name).sort()).toEqual(expected.sort());
          }
        }
        table.clear();
        for (const stream of [0, 1, 2]) expect(table.of(stream)).toEqual([]);
      }),
    );
  });

  it('may change while a frame is on its way through them', () => {
    const table = new FeedTable();
    const feed = (consumer: number, stream: number) =>
      table.open({ type: 'feed', stream, consumer, topicId: 't', partition: 0, epoch: 0, offset: 0 });
    feed(1, 7);
    feed(2, 7);
    const seen: number[] = [];
    for (const { consumer } of table.of(7)) {
      seen.push(consumer);
      feed(consumer, 8);
    }
    expect(seen).toEqual([1, 2]);
    expect(table.of(7)).toEqual([]);
  });
});
