import { describe, expect, it } from 'vitest';
import { Metadata, type MetadataAnswer } from './metadata.ts';

const topicId = '11111111-2222-4333-8444-555555555555';
const answer = (partitions: [leader: number, epoch: number][], id = topicId): MetadataAnswer => ({
  brokers: [{ nodeId: 1, host: 'k', port: 9092 }],
  clusterId: 'c',
  controllerId: 1,
  topics: [
    {
      errorCode: 0,
      name: 't',
      topicId: id,
      isInternal: false,
      // Brokers name them in any order.
      partitions: partitions
        .map(([leaderId, leaderEpoch], partitionIndex) => ({ partitionIndex, leaderId, leaderEpoch }))
        .reverse(),
    },
  ],
});
const leadersOf = (metadata: Metadata) => metadata.byName.get('t')?.partitions.map(({ leader }) => leader);

describe('metadata', () => {
  it('has partitions by number, and no topic that has an error', () => {
    const metadata = new Metadata(
      answer([
        [1, 0],
        [2, 0],
        [-1, 0],
      ]),
    );
    expect(metadata.byName.get('t')?.partitions.map(({ partition, leader }) => [partition, leader])).toEqual([
      [0, 1],
      [1, 2],
      [2, -1],
    ]);
    expect(metadata.byId.get(topicId)).toBe(metadata.byName.get('t'));
    const [topic] = answer([]).topics;
    if (topic === undefined) throw new Error('there is one');
    expect(new Metadata({ ...answer([]), topics: [{ ...topic, errorCode: 29 }] }).byName.size).toBe(0);
  });

  it('does not go back to a leader of an older epoch, whichever broker speaks', () => {
    const before = new Metadata(
      answer([
        [1, 5],
        [2, 5],
        [-1, 6],
      ]),
    );
    expect(
      leadersOf(
        new Metadata(
          answer([
            [3, 4],
            [3, 5],
            [3, 5],
          ]),
          before,
        ),
      ),
    ).toEqual([1, 3, -1]);
    expect(
      leadersOf(
        new Metadata(
          answer([
            [3, 6],
            [3, 6],
            [3, 7],
          ]),
          before,
        ),
      ),
    ).toEqual([3, 3, 3]);
    // A topic that was made anew begins anew.
    const anew = new Metadata(answer([[3, 0]], topicId.replace('1', '9')), before);
    expect(leadersOf(anew)).toEqual([3]);
    expect(anew.changesSince(before)).toMatchObject({ changed: [{ name: 't' }], deleted: [] });
  });
});
