// A log in which a test sees its own topics and groups only, under the names that it gave them, on a broker that others use, too.
import type { TopicInfo } from 'distributedlog/protocol';
import { type GroupPort, isTopicName, type Log } from 'distributedlog/server';

const INTERNAL = '__';
const LONGEST_NAME = 249;
/** Tests write records of 1970, which brokers take away after a while where a topic does not say otherwise. */
const KEPT = { 'retention.ms': '-1' };

/** Both ways between the names a test uses and those on the broker; what is no name stays what it is. */
class Names {
  readonly #prefix: string;
  readonly #ours = new Map<string, string>();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }
  real(name: string): string {
    if (!isTopicName(name)) return name;
    const [before, after] = name.startsWith(INTERNAL) ? [INTERNAL, name.slice(INTERNAL.length)] : ['', name];
    const real = `${before}${this.#prefix}.${after}`.slice(0, LONGEST_NAME);
    this.#ours.set(real, name);
    return real;
  }
  /** undefined: not one of the test's. */
  ours(real: string): string | undefined {
    return this.#ours.get(real);
  }
}

export interface OwnNames {
  readonly log: Log;
  /** On the broker. */
  topics(): Promise<string[]>;
  groups(): Promise<string[]>;
}

export class OwnNamesOf {
  readonly topics: Names;
  readonly groups: Names;

  constructor(prefix: string) {
    this.topics = new Names(prefix);
    this.groups = new Names(prefix);
  }
}

export function withOwnNames(log: Log, { topics, groups }: OwnNamesOf): OwnNames {
  const infos = (all: readonly TopicInfo[]): TopicInfo[] =>
    all.flatMap((info) => {
      const name = topics.ours(info.name);
      return name === undefined ? [] : [{ ...info, name }];
    });
  const port: GroupPort = {
    join: ({ groupId, topics: names, ...rest }, listener) => {
      const inOurs = <T extends { readonly partitions: readonly { readonly topic: string }[] }>(assignment: T): T => ({
        ...assignment,
        partitions: assignment.partitions.map((of) => ({ ...of, topic: topics.ours(of.topic) ?? of.topic })),
      });
      const request = { ...rest, groupId: groups.real(groupId), topics: names.map((name) => topics.real(name)) };
      return log.groups
        .join(request, {
          onAssignment: (assignment) => listener.onAssignment(inOurs(assignment)),
          onFenced: (error) => listener.onFenced(error),
          onTakenOver: () => listener.onTakenOver(),
        })
        .then((member) => ({
          ...inOurs({ partitions: member.partitions }),
          groupId,
          memberId: member.memberId,
          memberEpoch: member.memberEpoch,
          heartbeatIntervalMs: member.heartbeatIntervalMs,
          resumeToken: member.resumeToken,
          update: async (wishes) =>
            inOurs(await member.update({ ...wishes, topics: wishes.topics.map((name) => topics.real(name)) })),
          owned: (epoch, partitions) => member.owned(epoch, partitions),
          leave: () => member.leave(),
          release: (options) => member.release(options),
        }));
    },
    commit: (groupId, member, offsets) => log.groups.commit(groups.real(groupId), member, offsets),
    committed: (groupId, partitions) => log.groups.committed(groups.real(groupId), partitions),
    list: async () =>
      (await log.groups.list()).flatMap((group) => {
        const groupId = groups.ours(group.groupId);
        return groupId === undefined ? [] : [{ ...group, groupId }];
      }),
    describe: async (groupId) => {
      const group = await log.groups.describe(groups.real(groupId));
      const inOurs = <T extends { readonly topic: string }>(all: readonly T[]) =>
        all.map((of) => ({ ...of, topic: topics.ours(of.topic) ?? of.topic }));
      return {
        ...group,
        groupId,
        members: group.members.map((member) => ({
          ...member,
          topics: member.topics.map((name) => topics.ours(name) ?? name),
          assignment: inOurs(member.assignment),
          targetAssignment: inOurs(member.targetAssignment),
        })),
        offsets: inOurs(group.offsets),
      };
    },
    delete: (groupId) => log.groups.delete(groups.real(groupId)),
  };
  return {
    log: {
      get logId() {
        return log.logId;
      },
      autoCreateTopics: log.autoCreateTopics,
      topics: async (names) => infos(await log.topics(names?.map((name) => topics.real(name)))),
      createTopic: async ({ name, config, ...spec }) => {
        const request = { ...spec, name: topics.real(name), config: { ...KEPT, ...config } };
        return { ...(await log.createTopic(request)), name };
      },
      deleteTopic: (name) => log.deleteTopic(topics.real(name)),
      onTopicsChanged: (listener) =>
        log.onTopicsChanged(({ changed, deleted }) => {
          const change = { changed: infos(changed), deleted: deleted.flatMap((name) => topics.ours(name) ?? []) };
          if (change.changed.length > 0 || change.deleted.length > 0) listener(change);
        }),
      listOffsets: (queries, isolation) => log.listOffsets(queries, isolation),
      ends: (partition) => log.ends(partition),
      read: (request) => log.read(request),
      initProducer: () => log.initProducer(),
      append: (partition, batch) => log.append(partition, batch),
      groups: port,
      health: () => log.health(),
      close: () => log.close(),
    },
    topics: async () => (await log.topics()).map(({ name }) => name).filter((name) => topics.ours(name) !== undefined),
    groups: async () =>
      (await log.groups.list()).map(({ groupId }) => groupId).filter((groupId) => groups.ours(groupId) !== undefined),
  };
}
