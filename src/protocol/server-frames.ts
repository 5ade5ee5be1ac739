// The control frames a gateway sends, as zod schemas: what arrives at a client is parsed here once and nowhere else.
// Unknown keys are ignored, so that a newer gateway can say more.
import * as z from 'zod/mini';

const int = z.int();
const topicPartition = { topicId: z.string(), partition: int };
const id = int;

export const partitionInfo = z.object({
  partition: int,
  logStart: int,
  highWatermark: int,
  lastStableOffset: int,
  leaderEpoch: int,
});
export const topicInfo = z.object({
  name: z.string(),
  topicId: z.string(),
  internal: z.boolean(),
  partitions: z.array(partitionInfo),
});
export type TopicInfo = z.infer<typeof topicInfo>;

export const welcome = z.object({
  type: z.literal('welcome'),
  version: int,
  sessionId: z.string(),
  /** Identity of the log: another id means that no offset of the old one holds. */
  logId: z.string(),
  server: z.object({ name: z.string(), version: z.string() }),
  heartbeatIntervalMs: int,
  heartbeatTimeoutMs: int,
  limits: z.object({ maxFrameBytes: int, maxTextFrameBytes: int, maxBatchBytes: int, maxConsumers: int }),
});

const codeAndMessage = { code: z.string(), message: z.string(), retriable: z.optional(z.boolean()) };
/** With `id`: the answer to that request. Without: about the connection. */
export const error = z.object({
  type: z.literal('error'),
  id: z.optional(id),
  ...codeAndMessage,
  retryAfterMs: z.optional(int),
  topic: z.optional(z.string()),
  partition: z.optional(int),
  offset: z.optional(int),
  logStart: z.optional(int),
  logEnd: z.optional(int),
});
export type ErrorFrame = z.infer<typeof error>;

export const pong = z.object({ type: z.literal('ping'), id });
/** Topics that were asked for and do not exist are absent; `errors` says why where there is a reason. */
export const metadata = z.object({
  type: z.literal('metadata'),
  id,
  topics: z.array(topicInfo),
  errors: z.optional(z.array(z.object({ topic: z.string(), ...codeAndMessage }))),
});
export const createTopic = z.object({ type: z.literal('createTopic'), id, topic: topicInfo });
export const deleteTopic = z.object({ type: z.literal('deleteTopic'), id });
/** In the order asked. `offset: null`: no record at or after that time. */
export const listOffsets = z.object({
  type: z.literal('listOffsets'),
  id,
  partitions: z.array(
    z.object({
      ...topicPartition,
      offset: z.nullable(int),
      timestamp: z.optional(int),
      leaderEpoch: z.optional(int),
      error: z.optional(z.object(codeAndMessage)),
    }),
  ),
});
/** From now on data frames of `stream` carry this (consumer, partition, epoch), beginning at `offset`. It replaces an earlier feed of the same three. */
export const feed = z.object({
  type: z.literal('feed'),
  stream: int,
  consumer: int,
  ...topicPartition,
  epoch: int,
  offset: int,
});
/** The fetch of this partition and epoch has ended with an error; open it again with a higher epoch. */
export const fetchError = z.object({
  type: z.literal('fetchError'),
  consumer: int,
  ...topicPartition,
  epoch: int,
  ...codeAndMessage,
  offset: z.optional(int),
  logStart: z.optional(int),
  logEnd: z.optional(int),
});
/** Log ends of open partitions that changed, at most once a second; so lag is fresh where no data flows. */
const ends = z.array(z.object({ ...topicPartition, logStart: int, highWatermark: int, lastStableOffset: int }));
export const endsFrame = z.object({ type: z.literal('ends'), partitions: ends });
/** Answer at once with a `heartbeat` of your own. `ends`: of all open partitions of this socket. */
export const heartbeat = z.object({ type: z.literal('heartbeat'), ends });
/** Topics that were created or changed, and names that are gone. */
export const topics = z.object({
  type: z.literal('topics'),
  changed: z.array(topicInfo),
  deleted: z.array(z.string()),
});
export const initProducer = z.object({ type: z.literal('initProducer'), id, producerId: int, producerEpoch: int });
/** The answer to a binary produce frame. `logAppendTime` −1: the producer’s timestamps were kept. */
export const produce = z.object({ type: z.literal('produce'), id, baseOffset: int, logAppendTime: int, logStart: int });

const assigned = z.array(z.object({ topic: z.string(), topicId: z.string(), partitions: z.array(int) }));
export const join = z.object({
  type: z.literal('join'),
  id,
  memberId: z.string(),
  memberEpoch: int,
  heartbeatIntervalMs: int,
  partitions: assigned,
});
/** What the member should own from now on. It lets go of the rest, then answers `owned`. */
export const assignment = z.object({
  type: z.literal('assignment'),
  consumer: int,
  memberEpoch: int,
  partitions: assigned,
});
/** The group no longer has this member: what it owned is lost. */
export const fenced = z.object({ type: z.literal('fenced'), consumer: int, ...codeAndMessage });
export const leave = z.object({ type: z.literal('leave'), id });

export const commit = z.object({
  type: z.literal('commit'),
  id,
  partitions: z.array(z.object({ ...topicPartition, error: z.optional(z.object(codeAndMessage)) })),
});
export const committed = z.object({
  type: z.literal('committed'),
  id,
  partitions: z.array(
    z.object({
      ...topicPartition,
      offset: z.nullable(int),
      metadata: z.string(),
      leaderEpoch: z.optional(int),
      error: z.optional(z.object(codeAndMessage)),
    }),
  ),
});
const groupState = z.enum(['Empty', 'Stable', 'Assigning', 'Reconciling', 'Dead']);
export const listGroups = z.object({
  type: z.literal('listGroups'),
  id,
  groups: z.array(z.object({ groupId: z.string(), state: groupState, members: int })),
});
export const describeGroup = z.object({
  type: z.literal('describeGroup'),
  id,
  group: z.object({
    groupId: z.string(),
    state: groupState,
    epoch: int,
    members: z.array(
      z.object({
        memberId: z.string(),
        clientId: z.string(),
        groupInstanceId: z.optional(z.string()),
        epoch: int,
        topics: z.array(z.string()),
        assignment: z.array(z.object({ topic: z.string(), partition: int })),
      }),
    ),
    offsets: z.array(
      z.object({
        topic: z.string(),
        partition: int,
        committed: z.nullable(int),
        metadata: z.string(),
        end: int,
        lag: int,
      }),
    ),
  }),
});
/** Requests are being delayed. */
export const throttled = z.object({ type: z.literal('throttled'), delayMs: int });
/** The gateway will close; dial again after `reconnectAfterMs`. */
export const goaway = z.object({
  type: z.literal('goaway'),
  reason: z.string(),
  reconnectAfterMs: int,
  closeInMs: int,
});

export const serverFrame = z.discriminatedUnion('type', [
  welcome,
  error,
  pong,
  metadata,
  createTopic,
  deleteTopic,
  listOffsets,
  feed,
  fetchError,
  endsFrame,
  heartbeat,
  topics,
  initProducer,
  produce,
  join,
  assignment,
  fenced,
  leave,
  commit,
  committed,
  listGroups,
  describeGroup,
  throttled,
  goaway,
]);
export type ServerFrame = z.infer<typeof serverFrame>;
export type ServerFrameOf<T extends ServerFrame['type']> = Extract<ServerFrame, { type: T }>;
/** Replies, by the type of their request. */
export type ReplyOf<T extends ServerFrame['type']> = ServerFrameOf<T>;
