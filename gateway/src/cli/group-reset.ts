// Where a group's commits would go, and moving them there. Knows nothing of how it is printed.
import { InvalidArgumentError } from 'commander';
import { type Client, type GroupDescription, LogError, type TopicPartition } from 'distributedlog';
import { UsageError } from './failure.ts';
import { notEmpty } from './group-view.ts';
import type { StartPosition } from './start-position.ts';

/** The topics named with --topic, with the partitions named; `undefined`: all of them. */
export type Chosen = ReadonlyMap<string, ReadonlySet<number> | undefined>;
/** Where to go: as `dlog consume --from`, or so many records from the present commit. */
export type ResetTo = StartPosition | { readonly at: 'shift'; readonly by: number };

/** What a partition has now. */
export interface Place extends TopicPartition {
  readonly committed: number | null;
  readonly start: number;
  readonly end: number;
  /** The first record at or after the time asked for; null: there is none. */
  readonly atTime?: number | null;
}
export interface Moved extends TopicPartition {
  readonly committed: number | null;
  /** The next offset to read. */
  readonly offset: number;
  /** Records from there to the end. */
  readonly lag: number;
}

/** `clicks`, or `clicks:0,2`; may be given several times. */
export function parseTopics(text: string, before: Chosen = new Map()): Chosen {
  const found = /^([^:]+)(?::(\d+(?:,\d+)*))?$/.exec(text);
  const [, topic, list] = found ?? [];
  const numbers = list?.split(',').map(Number);
  if (topic === undefined || !(numbers ?? []).every(Number.isSafeInteger)) {
    throw new InvalidArgumentError('must be a topic, or a topic and partitions, such as clicks or clicks:0,2.');
  }
  const known = before.get(topic);
  const all = numbers === undefined || (before.has(topic) && known === undefined);
  return new Map([...before, [topic, all ? undefined : new Set([...(known ?? []), ...numbers])]]);
}

/** Throws OFFSET_OUT_OF_RANGE naming every partition whose log does not have the offset asked for. */
export function planReset(places: readonly Place[], to: ResetTo): Moved[] {
  const outside: { readonly place: Place; readonly offset: number }[] = [];
  const plan = places.map((place) => {
    const { topic, partition, committed, start, end } = place;
    const offset = target(place, to);
    if (offset < start || offset > end) outside.push({ place, offset });
    return { topic, partition, committed, offset, lag: end - offset };
  });
  const [first] = outside;
  if (first === undefined) return plan;
  const { topic, partition, start: logStart, end: logEnd } = first.place;
  const all = outside.map(({ place, offset }) => {
    return `${offset} in ${place.topic}-${place.partition}, which has ${place.start} to ${place.end}`;
  });
  throw new LogError('OFFSET_OUT_OF_RANGE', `outside the log: ${all.join('; ')}`, {
    topic,
    partition,
    offset: first.offset,
    logStart,
    logEnd,
  });
}
function target({ topic, partition, committed, start, end, atTime }: Place, to: ResetTo): number {
  switch (to.at) {
    case 'earliest':
      return start;
    case 'latest':
      return end;
    case 'offset':
      return to.offset;
    case 'tail':
      return Math.max(start, end - to.count);
    case 'time':
      return atTime ?? end;
    case 'shift':
      if (committed !== null) return Math.min(end, Math.max(start, committed + to.by));
      throw new UsageError(`${topic}-${partition} has no commit to shift: use --to, or leave it out with --topic`);
  }
}

/**
 * What would be moved where. Without `chosen`: all partitions of the topics that the group has commits for. NON_EMPTY_GROUP,
 * GROUP_ID_NOT_FOUND, UNKNOWN_TOPIC_OR_PARTITION, OFFSET_OUT_OF_RANGE.
 */
export async function findReset(
  client: Client,
  groupId: string,
  to: ResetTo,
  chosen: Chosen | undefined,
  signal: AbortSignal,
): Promise<Moved[]> {
  const group = await describeOrNone(client, groupId, chosen === undefined, signal);
  if (group !== undefined && group.members.length > 0) throw notEmpty(group, 'its offsets cannot be moved');
  const commits = (group?.offsets ?? []).filter(({ committed }) => committed !== null);
  const topics = chosen ?? new Map(commits.map(({ topic }) => [topic, undefined]));
  await using consumer = client.consumer();
  const partitions: TopicPartition[] = [];
  for (const [topic, numbers] of topics) {
    const all = await consumer.partitionsFor(topic, { signal });
    const missing = [...(numbers ?? [])].find((number) => !all.some(({ partition }) => partition === number));
    if (missing !== undefined) {
      throw new UsageError(`${topic} has no partition ${missing}; it has ${all.length}, from 0`);
    }
    for (const { partition } of all) if (numbers?.has(partition) ?? true) partitions.push({ topic, partition });
  }
  if (partitions.length === 0) {
    throw new UsageError(`group "${groupId}" has no commits: say with --topic which topics to commit`);
  }
  const [starts, ends, times] = await Promise.all([
    consumer.beginningOffsets(partitions, { signal }),
    consumer.endOffsets(partitions, { signal }),
    to.at !== 'time'
      ? []
      : consumer.offsetsForTimes(
          partitions.map((partition) => ({ ...partition, timestamp: to.timestamp })),
          { signal },
        ),
  ]);
  const places = partitions.map(({ topic, partition }, i) => ({
    topic,
    partition,
    committed: commits.find((known) => known.topic === topic && known.partition === partition)?.committed ?? null,
    start: starts[i]?.offset ?? 0,
    end: ends[i]?.offset ?? 0,
    atTime: times[i]?.offset ?? null,
  }));
  return planReset(places, to);
}

/** NON_EMPTY_GROUP if a member has joined meanwhile; then nothing was moved. */
export async function applyReset(
  client: Client,
  groupId: string,
  plan: readonly Moved[],
  signal: AbortSignal,
): Promise<void> {
  await using consumer = client.consumer({ groupId, autoCommit: false });
  try {
    await consumer.commit(
      plan.map(({ topic, partition, offset }) => ({ topic, partition, offset })),
      { signal },
    );
  } catch (error) {
    if (LogError.from(error).code !== 'COMMIT_FAILED') throw error;
    const group = await describeOrNone(client, groupId, false, signal);
    throw group === undefined || group.members.length === 0 ? error : notEmpty(group, 'its offsets cannot be moved');
  }
}

async function describeOrNone(
  client: Client,
  groupId: string,
  must: boolean,
  signal: AbortSignal,
): Promise<GroupDescription | undefined> {
  try {
    return await client.admin().describeGroup(groupId, { signal });
  } catch (error) {
    if (must || LogError.from(error).code !== 'GROUP_ID_NOT_FOUND') throw error;
    return undefined;
  }
}
