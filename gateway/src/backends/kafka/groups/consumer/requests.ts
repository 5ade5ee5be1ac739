// The requests of Kafka's newer group protocol, written and read by hand: the library cannot leave a field out, and misreads descriptions. Knows nothing of what members do.
import { type Reader, Writer } from '@platformatic/kafka';
import { apiFamily } from '../../api-family.ts';
import { byHand, skipTaggedFields } from '../../wire.ts';

export interface TopicPartitions {
  readonly topicId: string;
  readonly partitions: readonly number[];
}
/** What does not change is left out: `undefined`. */
export interface Heartbeat {
  readonly groupId: string;
  readonly memberId: string;
  /** 0: joins; LEAVES: for good; LEAVES_FOR_A_WHILE: another one comes for its instanceId. */
  readonly memberEpoch: number;
  readonly instanceId: string;
  readonly rebalanceTimeoutMs?: number | undefined;
  readonly topics?: readonly string[] | undefined;
  readonly assignor?: string | undefined;
  readonly owned?: readonly TopicPartitions[] | undefined;
}
export interface HeartbeatAnswer {
  readonly throttleTimeMs: number;
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly memberEpoch: number;
  readonly heartbeatIntervalMs: number;
  /** undefined: as before. */
  readonly assignment: readonly TopicPartitions[] | undefined;
}
export const LEAVES = -1;
export const LEAVES_FOR_A_WHILE = -2;

/** A member must subscribe to something, and no topic has an empty name. */
const NO_TOPIC = '^$';

function writeHeartbeat(beat: Heartbeat, withRegex: boolean): Writer {
  const writer = Writer.create()
    .appendString(beat.groupId)
    .appendString(beat.memberId)
    .appendInt32(beat.memberEpoch)
    .appendString(beat.instanceId)
    .appendString(null) // its rack: brokers do not look at it
    .appendInt32(beat.rebalanceTimeoutMs ?? -1)
    .appendArray(beat.topics === undefined ? null : [...beat.topics], (w, topic) => w.appendString(topic), true, false);
  if (withRegex) writer.appendString(beat.topics === undefined ? null : beat.topics.length === 0 ? NO_TOPIC : '');
  return writer
    .appendString(beat.assignor ?? null)
    .appendArray(beat.owned === undefined ? null : [...beat.owned], (w, { topicId, partitions }) =>
      w.appendUUID(topicId).appendArray([...partitions], (numbers, n) => numbers.appendInt32(n), true, false),
    )
    .appendTaggedFields();
}
function readHeartbeat(reader: Reader): HeartbeatAnswer {
  const throttleTimeMs = reader.readInt32();
  const [errorCode, errorMessage] = [reader.readInt16(), reader.readNullableString()];
  reader.readNullableString(); // the member's id
  return {
    throttleTimeMs,
    errorCode,
    errorMessage,
    memberEpoch: reader.readInt32(),
    heartbeatIntervalMs: reader.readInt32(),
    assignment:
      reader.readNullableStruct(() =>
        reader.readArray((r) => ({
          topicId: r.readUUID(),
          partitions: r.readArray((numbers) => numbers.readInt32(), true, false),
        })),
      ) ?? undefined,
  };
}

const heartbeat = (version: number) =>
  byHand(68, version, (beat: Heartbeat) => writeHeartbeat(beat, version > 0), readHeartbeat);

export const CONSUMER_GROUP_HEARTBEAT = apiFamily<[Heartbeat], HeartbeatAnswer>('ConsumerGroupHeartbeat', 68, {
  0: heartbeat(0),
  1: heartbeat(1),
});

export interface DescribedMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly memberEpoch: number;
  readonly clientId: string;
  readonly topics: readonly string[];
  readonly assignment: readonly (TopicPartitions & { readonly topic: string })[];
  readonly target: readonly (TopicPartitions & { readonly topic: string })[];
}
export interface DescribedGroup {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly groupId: string;
  readonly state: string;
  readonly epoch: number;
  readonly assignor: string;
  readonly members: readonly DescribedMember[];
}
interface DescribeAnswer {
  readonly throttleTimeMs: number;
  readonly groups: readonly DescribedGroup[];
}
function readPartitions(reader: Reader): DescribedMember['assignment'] {
  const partitions = reader.readArray((r) => ({
    topicId: r.readUUID(),
    topic: r.readString(),
    partitions: r.readArray((numbers) => numbers.readInt32(), true, false),
  }));
  skipTaggedFields(reader);
  return partitions;
}
function readDescription(reader: Reader, version: number): DescribeAnswer {
  return {
    throttleTimeMs: reader.readInt32(),
    groups: reader.readArray((r) => {
      const head = {
        errorCode: r.readInt16(),
        errorMessage: r.readNullableString(),
        groupId: r.readString(),
        state: r.readString(),
        epoch: r.readInt32(),
      };
      r.readInt32(); // the assignment's epoch
      const assignor = r.readString();
      const members = r.readArray((m): DescribedMember => {
        const [memberId, instanceId] = [m.readString(), m.readNullableString()];
        m.readNullableString(); // its rack
        const [memberEpoch, clientId] = [m.readInt32(), m.readString()];
        m.readString(); // its host: a gateway's
        const topics = m.readArray((names) => names.readString(), true, false);
        m.readNullableString(); // its pattern
        const member = { memberId, instanceId, memberEpoch, clientId, topics };
        const [assignment, target] = [readPartitions(m), readPartitions(m)];
        if (version >= 1) m.readInt8(); // which protocol it speaks
        return { ...member, assignment, target };
      });
      r.readInt32(); // authorized operations
      return { ...head, assignor, members };
    }),
  };
}
const describe = (version: number) =>
  byHand(
    69,
    version,
    (groupIds: readonly string[]) =>
      Writer.create()
        .appendArray([...groupIds], (w, groupId) => w.appendString(groupId), true, false)
        .appendBoolean(false)
        .appendTaggedFields(),
    (reader) => readDescription(reader, version),
  );

export const CONSUMER_GROUP_DESCRIBE = apiFamily<[readonly string[]], DescribeAnswer>('ConsumerGroupDescribe', 69, {
  0: describe(0),
  1: describe(1),
});
