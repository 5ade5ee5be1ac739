// The control frames a client sends, as zod schemas: what arrives at a gateway is parsed here once and nowhere else.
// A reply has the `type` and `id` of its request; a request that failed is answered by an `error` frame with that `id`.
import * as z from 'zod/mini';

const int = (min: number, max = Number.MAX_SAFE_INTEGER) => z.int().check(z.gte(min), z.lte(max));
const list = <T extends z.ZodMiniType>(item: T) => z.array(item).check(z.maxLength(256));

const offset = int(0);
const partition = int(0, 2 ** 31 - 1);
const topicName = z.string().check(z.minLength(1), z.maxLength(249));
const topicId = z
  .string()
  .check(
    z.regex(
      /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
      'expected a UUID in lower case with hyphens',
    ),
  );
const isolation = z.enum(['read_uncommitted', 'read_committed']);
const id = int(0, 2 ** 31 - 1);
/** Chosen by the client: one number for each Consumer on the socket. */
const consumer = int(0, 2 ** 31 - 1);
/** Counts opens and seeks of a partition, so that data of an older position can be told apart. */
const epoch = int(0, 2 ** 31 - 1);
/** Cumulative bytes of batches (as they travel) that may have been sent since the fetch (or this epoch) began. */
const limit = int(0);
/** Its length is the gateway's to check, which says INVALID_GROUP_ID. */
const groupId = z.string();
const instanceId = z.string().check(z.minLength(1), z.maxLength(255));
const memberId = z.string().check(z.minLength(1), z.maxLength(64));
const memberEpoch = int(-2, 2 ** 31 - 1);

const topicPartition = { topicId, partition };
const topicPartitions = z.strictObject({ topicId, partitions: list(partition) });

export const hello = z.strictObject({
  type: z.literal('hello'),
  /** Protocol versions the client speaks. */
  versions: z.array(int(1, 255)).check(z.minLength(1), z.maxLength(16)),
  clientId: z.optional(z.string().check(z.maxLength(255))),
  software: z.optional(
    z.strictObject({ name: z.string().check(z.maxLength(64)), version: z.string().check(z.maxLength(64)) }),
  ),
  token: z.optional(z.string().check(z.maxLength(16_384))),
  /** Codecs the client decompresses itself; 'none' is implied. */
  codecs: z.optional(z.array(z.enum(['gzip', 'snappy', 'lz4', 'zstd'])).check(z.maxLength(8))),
});

export const ping = z.strictObject({ type: z.literal('ping'), id });

/** Without `topics`: all of them. `watch`: from now on, changes are pushed as `topics` frames. */
export const metadata = z.strictObject({
  type: z.literal('metadata'),
  id,
  topics: z.optional(list(topicName)),
  /** Create what is missing, where the log allows it. */
  autoCreate: z.optional(z.boolean()),
  watch: z.optional(z.boolean()),
});

export const createTopic = z.strictObject({
  type: z.literal('createTopic'),
  id,
  name: z.string().check(z.maxLength(1024)),
  partitions: z.optional(z.int()),
  replicationFactor: z.optional(z.int()),
  config: z.optional(z.record(z.string(), z.string())),
});
export const deleteTopic = z.strictObject({
  type: z.literal('deleteTopic'),
  id,
  name: z.string().check(z.maxLength(1024)),
});

export const listOffsets = z.strictObject({
  type: z.literal('listOffsets'),
  id,
  isolation,
  partitions: list(
    z.strictObject({
      ...topicPartition,
      /** A number is a timestamp in ms: the first record at or after it. */
      at: z.union([z.enum(['earliest', 'latest']), int(0)]),
    }),
  ),
});

/** Opens (or, with a higher epoch, re-opens at another offset) partitions of one consumer’s fetch. */
export const fetch = z.strictObject({
  type: z.literal('fetch'),
  consumer,
  isolation,
  minBytes: int(0),
  maxWaitMs: int(0, 60_000),
  /** Most bytes of batches in one data frame of one partition; a larger first batch still goes out. */
  maxPartitionBytes: int(1),
  /** Credit of the whole consumer, over all its partitions. */
  limit,
  partitions: list(z.strictObject({ ...topicPartition, epoch, offset, leaderEpoch: z.optional(z.int()), limit })),
});

/** Raises limits. A limit never falls; the credit of an epoch that is over is ignored. */
export const credit = z.strictObject({
  type: z.literal('credit'),
  consumer,
  limit: z.optional(limit),
  partitions: list(z.strictObject({ ...topicPartition, epoch, limit })),
});

/** Ends the fetch of these partitions; without `partitions`, of the whole consumer. */
export const fetchClose = z.strictObject({
  type: z.literal('fetchClose'),
  consumer,
  partitions: z.optional(list(z.strictObject(topicPartition))),
});

export const initProducer = z.strictObject({ type: z.literal('initProducer'), id });

/**
 * Joins the group, or (with the memberId this socket holds) states another subscription. With `resumeToken` it takes up a member that
 * an earlier connection held. `topics`: names the client wants, patterns already evaluated.
 */
export const join = z.strictObject({
  type: z.literal('join'),
  id,
  consumer,
  groupId,
  memberId: z.optional(memberId),
  instanceId: z.optional(instanceId),
  /** From the latest answer to a join. It goes with the `memberId` of that answer. */
  resumeToken: z.optional(z.string().check(z.minLength(1), z.maxLength(128))),
  /** How the member would have the group's partitions shared out; the group takes what most of its members want. Default 'uniform'. */
  assignor: z.optional(z.enum(['uniform', 'range'])),
  topics: z.array(topicName).check(z.maxLength(1024)),
  sessionTimeoutMs: int(1),
  rebalanceTimeoutMs: int(1),
  maxPollIntervalMs: int(1),
});
/** What the member owns at this epoch: sent once it has let go of all that an `assignment` took away. */
export const owned = z.strictObject({
  type: z.literal('owned'),
  consumer,
  memberEpoch,
  partitions: z.array(topicPartitions),
});
export const leave = z.strictObject({ type: z.literal('leave'), id, consumer });

export const commit = z.strictObject({
  type: z.literal('commit'),
  id,
  groupId,
  /** Absent with `assign`: such a commit succeeds only while the group has no members. */
  memberId: z.optional(memberId),
  memberEpoch: z.optional(memberEpoch),
  offsets: list(
    z.strictObject({ ...topicPartition, offset, leaderEpoch: z.optional(z.int()), metadata: z.optional(z.string()) }),
  ),
});
export const committed = z.strictObject({
  type: z.literal('committed'),
  id,
  groupId,
  partitions: list(z.strictObject(topicPartition)),
});
export const listGroups = z.strictObject({ type: z.literal('listGroups'), id });
export const describeGroup = z.strictObject({ type: z.literal('describeGroup'), id, groupId });
/** Its commits too. NON_EMPTY_GROUP while it has members. */
export const deleteGroup = z.strictObject({ type: z.literal('deleteGroup'), id, groupId });

/** The answer to the gateway’s heartbeat. `busyMs`: how long each group consumer has been at its present work. */
export const heartbeatAnswer = z.strictObject({
  type: z.literal('heartbeat'),
  consumers: z.optional(list(z.strictObject({ consumer, busyMs: int(0) }))),
});

export const clientFrame = z.discriminatedUnion('type', [
  hello,
  ping,
  metadata,
  createTopic,
  deleteTopic,
  listOffsets,
  fetch,
  credit,
  fetchClose,
  initProducer,
  join,
  owned,
  leave,
  commit,
  committed,
  listGroups,
  describeGroup,
  deleteGroup,
  heartbeatAnswer,
]);
export type ClientFrame = z.infer<typeof clientFrame>;
export type ClientFrameOf<T extends ClientFrame['type']> = Extract<ClientFrame, { type: T }>;
