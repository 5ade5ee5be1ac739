// Tests beside the cases that rules of the consumer lean on: where a manual clock, a hand-made batch, a disk or a browser is needed. Data only.
import type { NamedTest, RuleId } from './consumer-rules.ts';

const in_ = (file: string, ...tests: readonly string[]): NamedTest[] => tests.map((test) => ({ file, test }));

export const checkedElsewhere: Partial<Record<RuleId, readonly NamedTest[]>> = {
  'subscribing-13': in_(
    'src/core/consumer.positions.test.ts',
    'without a groupId reads all partitions, and new ones from the earliest offset',
  ),
  'polling-13': in_('src/core/deserializers.test.ts', 'hands out the very bytes'),
  'polling-15': in_('src/core/buffer.test.ts', 'does not take a hole of compaction for a loss'),
  'polling-16': in_('src/core/buffer.test.ts', 'moves past control batches and empty frames'),
  'commits-17': in_(
    'src/server/group-offsets.test.ts',
    'of a member needs its id, its present epoch, and the partition',
  ),
  'groups-1': in_(
    'src/server/group-assignment.test.ts',
    'gives every partition of a subscribed topic to exactly one subscriber, whatever they had',
  ),
  'groups-2': in_(
    'src/server/group-assignment.test.ts',
    'moves partitions only to a member that joins, and only those of a member that leaves',
  ),
  'groups-23': [
    ...in_('src/transport-browser/keepsake.test.ts', 'is there after a reload, and again after the next'),
    ...in_('e2e/reload.spec.ts', 'a page that is loaded again is the same member'),
  ],
  'groups-24': in_('src/server/group-resume.test.ts', 'is kept no longer than its release allows'),
  'groups-25': [
    ...in_('src/transport-browser/keepsake.test.ts', 'is not a duplicated tab’s, which has a copy of it'),
    ...in_(
      'e2e/reload.spec.ts',
      'a duplicated tab is a member of its own, and both are themselves again after a reload',
    ),
  ],
  'groups-27': in_(
    'src/server/group-resume.test.ts',
    'stays good after its successor was sent, since that may be lost; not once the successor has arrived',
    'is worth nothing for another member, in another group, to another principal, or without the member’s id',
  ),
  'groups-28': in_(
    'src/server/group-restart.test.ts',
    'members come back with the same ids, epochs and partitions; nothing is lost, nothing doubled',
  ),
  'groups-37': in_(
    'src/server/group-assignment.test.ts',
    'gives partitions of one number of topics with one size and the same subscribers to one member',
    'is what most of its members want; who does not say, and a draw, are for uniform',
  ),
  'records-3': in_(
    'src/core/buffer.test.ts',
    'delivers nothing of an aborted transaction, also when its marker comes in a later frame',
  ),
  'records-4': in_('src/core/buffer.test.ts', 'moves past control batches and empty frames'),
  'records-5': in_(
    'src/core/buffer.test.ts',
    'delivers nothing of an aborted transaction, also when its marker comes in a later frame',
    'delivers nothing of either when one producer aborts twice',
  ),
  'records-6': in_(
    'src/core/buffer.test.ts',
    'verifies a batch before it is decoded, and names the offset of a damaged one',
  ),
  'records-7': in_(
    'src/core/consumer.bounds.test.ts',
    'that is gone when fetched again is not noticed',
    'that stays is CORRUPT_MESSAGE on every poll, never delivered, never skipped silently',
  ),
  'promise-1': in_('e2e/groups.spec.ts', 'five members, tabs and processes: every record is processed'),
  'promise-7': in_('e2e/groups.spec.ts', 'five members, tabs and processes: every record is processed'),
  'promise-11': in_('gateway/src/backends/embedded/kill.test.ts', 'what was acknowledged survives kill -9'),
  'promise-12': in_('e2e/kafka-cluster.spec.ts', 'brokers and gateways die and come back'),
};
