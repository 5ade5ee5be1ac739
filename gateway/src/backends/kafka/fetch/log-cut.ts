// Whether a partition's log still goes the way that a reader has read: an unclean change of leaders may have cut it. Knows nothing of reads.
import { offsetForLeaderEpochV4 } from '@platformatic/kafka';
import { answered, apiFamily, type Send } from '../api-family.ts';
import type { Cluster, Leader } from '../cluster.ts';
import { brokerError } from '../errors.ts';

const ANY_REPLICA = -1;
const { api, parseResponse } = offsetForLeaderEpochV4;
type Answer = ReturnType<typeof parseResponse>;

interface EpochOf {
  readonly leader: Leader;
  readonly epoch: number;
}
const send: Send<[EpochOf], Answer> = (connection, { leader, epoch }) => {
  const { topic, partition: partitionIndex, leaderEpoch: currentLeaderEpoch } = leader;
  const partitions = [{ partitionIndex, currentLeaderEpoch, leaderEpoch: epoch }];
  return answered(api)(connection, ANY_REPLICA, [{ name: topic.name, partitions }]);
};
const OFFSET_FOR_LEADER_EPOCH = apiFamily('OffsetForLeaderEpoch', api.key, { 4: send });

/**
 * Where the records of `epoch` end in the leader's log: who has read beyond, and nothing newer, has read what is not there any
 * more. Rejects with LogError.
 */
export async function endOfEpoch(cluster: Cluster, leader: Leader, epoch: number): Promise<number> {
  const link = cluster.link(leader.leader, 'offsets');
  const answer = await link.request(OFFSET_FOR_LEADER_EPOCH, { leader, epoch });
  const found = answer.topics[0]?.partitions[0];
  const { topic, partition } = leader;
  const about = `Where epoch ${epoch} of partition ${partition} of topic "${topic.name}" ends`;
  // Left out: as a broker that does not lead it.
  const code = found?.errorCode ?? 6;
  if (found === undefined || code !== 0) throw brokerError(code, about, { topic: topic.name, partition });
  return Number(found.endOffset);
}
