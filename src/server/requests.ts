// What each request asks of the log and how its answer looks. Knows nothing of sockets, rates or the order of requests.
import type { Clock } from '../core/index.ts';
import { type ClientFrame, type ClientFrameOf, LogError, type ServerFrame, type TopicInfo } from '../protocol/index.ts';
import { errorEntry } from './error-frames.ts';
import { checkGroupId } from './group-id.ts';
import type { Log } from './log.ts';
import type { Members } from './members.ts';
import { checkTopicName } from './topic-spec.ts';

/** How long a topic that another client has asked for may take to appear. */
const CREATION_TIMEOUT_MS = 5_000;

/** Frames that are answered by a reply with their `id`. */
export type RequestFrame = Extract<ClientFrame, { id: number }>;

export interface RequestContext {
  readonly log: Log;
  readonly members: Members;
  readonly clock: Clock;
  /** From now on the client is told of changed topics. */
  readonly watch: () => void;
}

/** The reply; rejects with what goes into an error frame. Commits that waited together go through `commitAll` instead. */
export async function handleRequest(frame: RequestFrame, context: RequestContext): Promise<ServerFrame> {
  const { log, members } = context;
  const { id } = frame;
  if ('groupId' in frame) checkGroupId(frame.groupId);
  switch (frame.type) {
    case 'ping':
      return { type: 'ping', id };
    case 'metadata':
      return metadata(frame, context);
    case 'createTopic': {
      const { name, partitions, replicationFactor, config } = frame;
      return { type: 'createTopic', id, topic: await log.createTopic({ name, partitions, replicationFactor, config }) };
    }
    case 'deleteTopic':
      await log.deleteTopic(frame.name);
      return { type: 'deleteTopic', id };
    case 'listOffsets': {
      const answers = await log.listOffsets(frame.partitions, frame.isolation);
      return {
        type: 'listOffsets',
        id,
        partitions: answers.map(({ topicId, partition, offset, timestamp, leaderEpoch, error }) => ({
          topicId,
          partition,
          offset,
          timestamp,
          leaderEpoch,
          error: error && errorEntry(error),
        })),
      };
    }
    case 'initProducer': {
      const { producerId, producerEpoch } = await log.initProducer();
      return { type: 'initProducer', id, producerId, producerEpoch };
    }
    case 'join':
      return members.join(frame);
    case 'leave':
      await members.leave(frame.consumer);
      return { type: 'leave', id };
    case 'commit': {
      const [reply] = await commitAll([frame], log);
      return reply as ServerFrame;
    }
    case 'committed': {
      const answers = await log.groups.committed(frame.groupId, frame.partitions);
      return {
        type: 'committed',
        id,
        partitions: answers.map(({ topicId, partition, offset, metadata: text, leaderEpoch, error }) => ({
          topicId,
          partition,
          offset,
          metadata: text,
          leaderEpoch,
          error: error && errorEntry(error),
        })),
      };
    }
    case 'listGroups': {
      const groups = await log.groups.list();
      return {
        type: 'listGroups',
        id,
        groups: groups.map(({ groupId, state, members: count }) => ({ groupId, state, members: count })),
      };
    }
    case 'describeGroup': {
      const group = await log.groups.describe(frame.groupId);
      return {
        type: 'describeGroup',
        id,
        group: {
          groupId: group.groupId,
          state: group.state,
          epoch: group.epoch,
          assignor: group.assignor,
          members: group.members.map((member) => ({
            ...member,
            topics: [...member.topics],
            assignment: [...member.assignment],
            targetAssignment: [...member.targetAssignment],
          })),
          offsets: [...group.offsets],
        },
      };
    }
    case 'deleteGroup':
      await log.groups.delete(frame.groupId);
      return { type: 'deleteGroup', id };
    default:
      return unreachable(frame);
  }
}

function unreachable(frame: never): never {
  throw new LogError(
    'INVALID_REQUEST',
    `Frame type ${JSON.stringify((frame as { type: string }).type)} is no request.`,
  );
}

async function metadata(frame: ClientFrameOf<'metadata'>, context: RequestContext): Promise<ServerFrame> {
  const { log, watch } = context;
  // Before the look, so that no change falls between.
  if (frame.watch === true) watch();
  if (frame.topics === undefined) return { type: 'metadata', id: frame.id, topics: await log.topics() };
  const errors: { topic: string; code: string; message: string; retriable: boolean }[] = [];
  const names: string[] = [];
  for (const name of new Set(frame.topics)) {
    try {
      checkTopicName(name);
      names.push(name);
    } catch (error) {
      errors.push({ topic: name, ...errorEntry(error) });
    }
  }
  const topics = names.length === 0 ? [] : await log.topics(names);
  if (frame.autoCreate === true && log.autoCreateTopics) {
    const existing = new Set(topics.map((topic) => topic.name));
    for (const name of names) {
      if (existing.has(name)) continue;
      try {
        topics.push(await createOrFind(name, context));
      } catch (error) {
        errors.push({ topic: name, ...errorEntry(error) });
      }
    }
  }
  return { type: 'metadata', id: frame.id, topics, errors: errors.length === 0 ? undefined : errors };
}

/** Several clients may ask for a topic at once: all get the one that is made. */
async function createOrFind(name: string, { log, clock }: RequestContext): Promise<TopicInfo> {
  let stop = () => {};
  const appeared = new Promise<TopicInfo>((resolve) => {
    stop = log.onTopicsChanged(({ changed }) => {
      const topic = changed.find((one) => one.name === name);
      if (topic !== undefined) resolve(topic);
    });
  });
  try {
    return await log.createTopic({ name });
  } catch (error) {
    if (!(error instanceof LogError) || error.code !== 'TOPIC_ALREADY_EXISTS') throw error;
    const [topic] = await log.topics([name]);
    // Another client's request for it is still under way.
    return topic ?? (await within(appeared, clock, name));
  } finally {
    stop();
  }
}

function within(appeared: Promise<TopicInfo>, clock: Clock, name: string): Promise<TopicInfo> {
  return new Promise((resolve, reject) => {
    const stop = clock.after(CREATION_TIMEOUT_MS, () =>
      reject(new LogError('LEADER_NOT_AVAILABLE', `Topic "${name}" is being created.`, { topic: name })),
    );
    void appeared.then((topic) => {
      stop();
      resolve(topic);
    });
  });
}

/** Commits of one member that waited together: of each partition only the newest is written, and each frame gets its own answer. */
export async function commitAll(frames: readonly ClientFrameOf<'commit'>[], log: Log): Promise<ServerFrame[]> {
  const [first] = frames;
  if (first === undefined) return [];
  const { groupId, memberId, memberEpoch } = first;
  checkGroupId(groupId);
  if ((memberId === undefined) !== (memberEpoch === undefined)) {
    throw new LogError('INVALID_REQUEST', 'A commit carries memberId and memberEpoch, or neither.');
  }
  const newest = new Map<string, ClientFrameOf<'commit'>['offsets'][number]>();
  const keyOf = (of: { topicId: string; partition: number }) => `${of.topicId}/${of.partition}`;
  for (const frame of frames) for (const offset of frame.offsets) newest.set(keyOf(offset), offset);
  const member = memberId === undefined || memberEpoch === undefined ? undefined : { memberId, memberEpoch };
  const answers = await log.groups.commit(groupId, member, [...newest.values()]);
  const byKey = new Map(answers.map((answer) => [keyOf(answer), answer.error]));
  return frames.map(({ id, offsets }) => ({
    type: 'commit',
    id,
    partitions: offsets.map((of) => {
      const error = byKey.get(keyOf(of));
      return { topicId: of.topicId, partition: of.partition, error: error && errorEntry(error) };
    }),
  }));
}
