// The control frames a gateway sends, as zod schemas: what arrives at a client is parsed here once and nowhere else.
// Unknown keys are ignored, so that a newer gateway can say more.
import * as z from 'zod/mini';

// Leaves are checks of one kind, so that a client carries no more of zod than it needs.
const is = <T>(expected: string, ok: (value: unknown) => boolean) => z.custom<T>(ok, { error: expected });
const int = is<number>('integer', Number.isSafeInteger);
const intOrNull = is<number | null>('integer or null', (value) => value === null || Number.isSafeInteger(value));
const text = is<string>('string', (value) => typeof value === 'string');
const bool = is<boolean>('boolean', (value) => typeof value === 'boolean');
const maybeInt = z.optional(int);
const maybeText = z.optional(text);
const id = int;
const topicPartition = { topicId: text, partition: int };

const ends = { logStart: int, highWatermark: int, lastStableOffset: int };
const topicInfo = z.object({
  name: text,
  topicId: text,
  internal: bool,
  partitions: z.array(z.object({ partition: int, ...ends, leaderEpoch: int })),
});
export type TopicInfo = z.infer<typeof topicInfo>;

const problem = { code: text, message: text, retriable: z.optional(bool) };
const maybeProblem = z.optional(z.object(problem));
const where = { offset: maybeInt, logStart: maybeInt, logEnd: maybeInt };

const assigned = z.array(z.object({ topic: text, topicId: text, partitions: z.array(int) }));
const endsOfPartitions = z.array(z.object({ ...topicPartition, ...ends }));
const partitionsByName = z.array(z.object({ topic: text, partition: int }));
const STATES = ['Empty', 'Stable', 'Assigning', 'Reconciling', 'Dead'] as const;
const groupState = is<(typeof STATES)[number]>(STATES.join(' or '), (value) => STATES.some((state) => state === value));
const onlyId = z.object({ id });

/** By the frame's `type`, which is not repeated in the schemas. */
export const serverFrames = {
  welcome: z.object({
    version: int,
    sessionId: text,
    /** Identity of the log: another id means that no offset of the old one holds. */
    logId: text,
    server: z.object({ name: text, version: text }),
    heartbeatIntervalMs: int,
    heartbeatTimeoutMs: int,
    limits: z.object({ maxFrameBytes: int, maxTextFrameBytes: int, maxBatchBytes: int, maxConsumers: int }),
  }),
  /** With `id`: the answer to that request. Without: about the connection. */
  error: z.object({
    id: maybeInt,
    ...problem,
    retryAfterMs: maybeInt,
    topic: maybeText,
    partition: maybeInt,
    ...where,
  }),
  ping: onlyId,
  /** Topics that were asked for and do not exist are absent; `errors` says why where there is a reason. */
  metadata: z.object({
    id,
    topics: z.array(topicInfo),
    errors: z.optional(z.array(z.object({ topic: text, ...problem }))),
  }),
  createTopic: z.object({ id, topic: topicInfo }),
  deleteTopic: onlyId,
  /** In the order asked. `offset: null`: no record at or after that time. */
  listOffsets: z.object({
    id,
    partitions: z.array(
      z.object({
        ...topicPartition,
        offset: intOrNull,
        timestamp: maybeInt,
        leaderEpoch: maybeInt,
        error: maybeProblem,
      }),
    ),
  }),
  /** From now on data frames of `stream` carry this (consumer, partition, epoch), beginning at `offset`. It replaces an earlier feed of the same three. */
  feed: z.object({ stream: int, consumer: int, ...topicPartition, epoch: int, offset: int }),
  /** The fetch of this partition and epoch has ended with an error; open it again with a higher epoch. */
  fetchError: z.object({ consumer: int, ...topicPartition, epoch: int, ...problem, ...where }),
  /** Log ends of open partitions that changed, at most once a second; so lag is fresh where no data flows. */
  ends: z.object({ partitions: endsOfPartitions }),
  /** Answer at once with a `heartbeat` of your own. `ends`: of all open partitions of this socket. */
  heartbeat: z.object({ ends: endsOfPartitions }),
  /** Topics that were created or changed, and names that are gone. */
  topics: z.object({ changed: z.array(topicInfo), deleted: z.array(text) }),
  initProducer: z.object({ id, producerId: int, producerEpoch: int }),
  /** The answer to a binary produce frame. `logAppendTime` −1: the producer’s timestamps were kept. */
  produce: z.object({ id, baseOffset: int, logAppendTime: int, logStart: int }),
  /** `resumeToken`: takes the member up again from another connection, once; it replaces the one before. */
  join: z.object({
    id,
    memberId: text,
    memberEpoch: int,
    heartbeatIntervalMs: int,
    resumeToken: maybeText,
    partitions: assigned,
  }),
  /** What the member should own from now on. It lets go of the rest, then answers `owned`. */
  assignment: z.object({ consumer: int, memberEpoch: int, partitions: assigned }),
  /** The group no longer has this member: what it owned is lost. */
  fenced: z.object({ consumer: int, ...problem }),
  leave: onlyId,
  commit: z.object({ id, partitions: z.array(z.object({ ...topicPartition, error: maybeProblem })) }),
  committed: z.object({
    id,
    partitions: z.array(
      z.object({
        ...topicPartition,
        offset: intOrNull,
        metadata: text,
        leaderEpoch: maybeInt,
        error: maybeProblem,
      }),
    ),
  }),
  listGroups: z.object({ id, groups: z.array(z.object({ groupId: text, state: groupState, members: int })) }),
  describeGroup: z.object({
    id,
    group: z.object({
      groupId: text,
      state: groupState,
      epoch: int,
      assignor: maybeText,
      members: z.array(
        z.object({
          memberId: text,
          clientId: text,
          groupInstanceId: maybeText,
          epoch: int,
          topics: z.array(text),
          connected: bool,
          assignment: partitionsByName,
          targetAssignment: partitionsByName,
        }),
      ),
      offsets: z.array(
        z.object({
          topic: text,
          partition: int,
          committed: intOrNull,
          metadata: text,
          end: int,
          lag: int,
        }),
      ),
    }),
  }),
  deleteGroup: onlyId,
  /** Requests are being delayed. */
  throttled: z.object({ delayMs: int }),
  /** The gateway will close; dial again after `reconnectAfterMs`. */
  goaway: z.object({ reason: text, reconnectAfterMs: int, closeInMs: int }),
};

export type ServerFrameType = keyof typeof serverFrames;
export const isServerFrameType = (type: string): type is ServerFrameType => Object.hasOwn(serverFrames, type);

export type ServerFrame = {
  [T in ServerFrameType]: { type: T } & z.infer<(typeof serverFrames)[T]>;
}[ServerFrameType];
export type ServerFrameOf<T extends ServerFrameType> = Extract<ServerFrame, { type: T }>;
/** Replies, by the type of their request. */
export type ReplyOf<T extends ServerFrameType> = ServerFrameOf<T>;
export type ErrorFrame = ServerFrameOf<'error'>;
