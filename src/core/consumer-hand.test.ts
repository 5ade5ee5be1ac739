// Which partition a record that is handed out is of, also where partitions of the same slice have none.
import { describe, expect, it } from 'vitest';
import type { ConsumerRecord } from '../protocol/index.ts';
import { Hand } from './consumer-hand.ts';
import { ConsumerPartition } from './consumer-partition.ts';

const partitionOf = (partition: number) => {
  const one = new ConsumerPartition<null, null>('t', partition, { type: 'reset' }, 'read_uncommitted', 1_000, 1);
  one.at.seek(7);
  return one;
};
const record = (partition: number, offset: number): ConsumerRecord<null, null> => ({
  topic: 't',
  partition,
  offset,
  timestamp: 0,
  timestampType: 'create',
  key: null,
  value: null,
  headers: [],
});

describe('a hand', () => {
  it('takes no record for one of a partition that has none in the slice, wherever that stands', () => {
    const [before, middle, reading] = [partitionOf(0), partitionOf(1), partitionOf(2)];
    const hand = new Hand<null, null>(() => undefined);
    hand.endRun(before, 9, 0, 0);
    hand.records.push(record(2, 7));
    hand.endRun(reading, 8, 0, 0);
    hand.endRun(middle, 9, 0, 0);
    hand.records.push(record(2, 8), record(2, 9));
    hand.endRun(reading, 10, 0, 0);
    const of: (ConsumerPartition<null, null> | undefined)[] = [];
    const positions: (number | undefined)[] = [];
    while (!hand.done) {
      of.push(hand.partition);
      hand.next();
      positions.push(reading.at.position);
    }
    expect(of).toEqual([reading, reading, reading]);
    expect(positions).toEqual([8, 9, 10]);
    expect([before.at.position, middle.at.position]).toEqual([9, 9]);
  });
});
