// A part of a Kafka cluster that looks like a log of its own, for tests that name their topics and groups themselves: every name gets an ending that nobody sees.
import { deleteRecordsV2, deleteTopicsV6 } from '@platformatic/kafka';
import { type GroupDescription, LogError, type TopicInfo } from 'distributedlog/protocol';
import {
  type Assignment,
  checkTopicName,
  type GroupPort,
  type Log,
  type Membership,
  type TopicSpec,
} from 'distributedlog/server';
import { answered, apiFamily } from './api-family.ts';
import type { Cluster } from './cluster.ts';

const DELETE_RECORDS = apiFamily('DeleteRecords', deleteRecordsV2.api.key, { 2: answered(deleteRecordsV2.api) });
const DELETE_TOPICS = apiFamily('DeleteTopics', deleteTopicsV6.api.key, { 6: answered(deleteTopicsV6.api) });
const TIMEOUT_MS = 10_000;
const LONGEST_NAME = 249;

/** Times are the test's: no record is too old or too young for a topic, and none goes until `retain`. */
const TOPIC_CONFIG = {
  'retention.ms': '-1',
  'message.timestamp.before.max.ms': '9223372036854775807',
  'message.timestamp.after.max.ms': '9223372036854775807',
};

interface Made {
  readonly info: TopicInfo;
  readonly retentionMs: number | undefined;
}

export class Namespace {
  readonly #ending: string;
  readonly #cluster: Cluster;
  /** What names are in here that left no room for the ending. */
  readonly #cut = new Map<string, string>();
  readonly #made = new Map<string, Made>();
  #log: Log | undefined;

  /** `name`: of the characters of topics, different from all others. `cluster`: for what a log does not do. */
  constructor(name: string, cluster: Cluster) {
    this.#ending = `.${name}`;
    this.#cluster = cluster;
  }

  /** What of this log is in here. */
  within(log: Log): Log {
    this.#log = log;
    const within = <T>(work: Promise<T>) => this.#told(work);
    return {
      get logId() {
        return log.logId;
      },
      autoCreateTopics: log.autoCreateTopics,
      topics: async (names) => {
        const found = await within(log.topics(names?.map((name) => this.#outer(name))));
        return found.filter(({ name }) => this.#isOurs(name)).map((info) => this.#infoOf(info));
      },
      createTopic: (spec) => this.#create(log, spec),
      deleteTopic: (name) => within(log.deleteTopic(this.#outer(name))),
      onTopicsChanged: (listener) =>
        log.onTopicsChanged(({ changed, deleted }) => {
          const [news, gone] = [
            changed.filter(({ name }) => this.#isOurs(name)),
            deleted.filter((name) => this.#isOurs(name)),
          ];
          if (news.length === 0 && gone.length === 0) return;
          listener({ changed: news.map((info) => this.#infoOf(info)), deleted: gone.map((name) => this.#inner(name)) });
        }),
      listOffsets: async (queries, isolation) =>
        (await within(log.listOffsets(queries, isolation))).map((answer) => this.#withError(answer)),
      ends: (partition) => log.ends(partition),
      read: (request) => within(log.read(request)),
      initProducer: () => within(log.initProducer()),
      append: (partition, batch) => within(log.append(partition, batch)),
      groups: this.#groups(log.groups),
      health: () => log.health(),
      close: () => log.close(),
    };
  }

  /** Forgets what is older than its topic's retention.ms says. */
  async retain(): Promise<void> {
    await this.#cluster.refresh();
    for (const { info, retentionMs } of this.#made.values()) {
      if (retentionMs === undefined || this.#log === undefined) continue;
      const { topicId, name } = info;
      for (const { partition } of info.partitions) {
        const at = this.#cluster.clock.now() - retentionMs;
        const [young] = await this.#log.listOffsets([{ topicId, partition, at }], 'read_uncommitted');
        // −1: all of them.
        const offset = BigInt(young?.offset ?? -1);
        const { leader } = this.#cluster.leaderOf({ topicId, partition });
        const { topics } = await this.#cluster
          .link(leader, 'control')
          .request(DELETE_RECORDS, [{ name, partitions: [{ partitionIndex: partition, offset }] }], TIMEOUT_MS);
        const errorCode = topics[0]?.partitions[0]?.errorCode;
        if (errorCode !== 0) throw new Error(`DeleteRecords of ${name}-${partition}: ${errorCode}`);
      }
    }
  }

  /** Deletes its topics; their commits go with them. */
  async clear(): Promise<void> {
    const names = [...this.#made.keys()].map((name) => ({ name }));
    if (names.length > 0) await this.#cluster.controller(() => 0, DELETE_TOPICS, [names, TIMEOUT_MS]);
  }

  #outer(name: string): string {
    const tooMuch = Math.max(0, name.length + this.#ending.length - LONGEST_NAME);
    if (tooMuch === 0 || name.length > LONGEST_NAME) return name + this.#ending;
    const outer = name.slice(0, -tooMuch) + this.#ending;
    this.#cut.set(outer, name);
    return outer;
  }
  #isOurs(name: string): boolean {
    return name.endsWith(this.#ending);
  }
  #inner(name: string): string {
    return this.#isOurs(name) ? (this.#cut.get(name) ?? name.slice(0, -this.#ending.length)) : name;
  }
  #infoOf(info: TopicInfo): TopicInfo {
    return { ...info, name: this.#inner(info.name) };
  }
  #at<T extends { readonly topic: string }>(at: T): T {
    return { ...at, topic: this.#inner(at.topic) };
  }

  async #create(log: Log, { name, config = {}, ...spec }: TopicSpec): Promise<TopicInfo> {
    checkTopicName(name);
    const { 'retention.ms': retentionMs, ...others } = config;
    const outer = this.#outer(name);
    const wrong = Number.isNaN(Number(retentionMs ?? 0)) ? { 'retention.ms': retentionMs ?? '' } : {};
    const made = log.createTopic({ ...spec, name: outer, config: { ...others, ...TOPIC_CONFIG, ...wrong } });
    const info = await this.#told(made);
    const ms = Number(retentionMs ?? -1);
    this.#made.set(outer, { info, retentionMs: ms < 0 ? undefined : ms });
    return this.#infoOf(info);
  }

  #groups(groups: GroupPort): GroupPort {
    const assignmentOf = ({ memberEpoch, partitions }: Assignment): Assignment => ({
      memberEpoch,
      partitions: partitions.map((of) => this.#at(of)),
    });
    return {
      join: async (request, listener) => {
        const { groupId, topics } = request;
        const membership = await this.#told(
          groups.join(
            { ...request, groupId: this.#outer(groupId), topics: topics.map((name) => this.#outer(name)) },
            {
              onAssignment: (assignment) => listener.onAssignment(assignmentOf(assignment)),
              onFenced: (error) => listener.onFenced(this.#errorOf(error)),
              onTakenOver: () => listener.onTakenOver(),
            },
          ),
        );
        return this.#membership(membership, groupId, assignmentOf);
      },
      commit: async (groupId, member, offsets) =>
        (await this.#told(groups.commit(this.#outer(groupId), member, offsets))).map((answer) =>
          this.#withError(answer),
        ),
      committed: async (groupId, partitions) =>
        (await this.#told(groups.committed(this.#outer(groupId), partitions))).map((answer) => this.#withError(answer)),
      list: async () =>
        (await this.#told(groups.list()))
          .filter(({ groupId }) => this.#isOurs(groupId))
          .map((group) => ({ ...group, groupId: this.#inner(group.groupId) })),
      describe: async (groupId) => this.#described(await this.#told(groups.describe(this.#outer(groupId)))),
      delete: (groupId) => this.#told(groups.delete(this.#outer(groupId))),
    };
  }
  #membership(held: Membership, groupId: string, assignmentOf: (assignment: Assignment) => Assignment): Membership {
    return {
      groupId,
      memberId: held.memberId,
      get memberEpoch() {
        return held.memberEpoch;
      },
      get partitions() {
        return assignmentOf(held).partitions;
      },
      get heartbeatIntervalMs() {
        return held.heartbeatIntervalMs;
      },
      get resumeToken() {
        return held.resumeToken;
      },
      update: async (wishes) => {
        const topics = wishes.topics.map((name) => this.#outer(name));
        return assignmentOf(await this.#told(held.update({ ...wishes, topics })));
      },
      owned: (memberEpoch, partitions) => held.owned(memberEpoch, partitions),
      leave: () => this.#told(held.leave()),
      release: (options) => held.release(options),
    };
  }
  #described({ groupId, members, offsets, ...group }: GroupDescription): GroupDescription {
    return {
      ...group,
      groupId: this.#inner(groupId),
      members: members.map((member) => ({
        ...member,
        topics: member.topics.map((name) => this.#inner(name)),
        assignment: member.assignment.map((at) => this.#at(at)),
        targetAssignment: member.targetAssignment.map((at) => this.#at(at)),
      })),
      offsets: offsets.map((at) => this.#at(at)),
    };
  }

  async #told<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw error instanceof LogError ? this.#errorOf(error) : error;
    }
  }
  #withError<T extends { readonly error?: LogError | undefined }>(answer: T): T {
    return answer.error === undefined ? answer : { ...answer, error: this.#errorOf(answer.error) };
  }
  #errorOf(error: LogError): LogError {
    const { code, message, topic, partition, offset, logStart, logEnd, retryAfterMs, retriable, cause } = error;
    const context = { partition, offset, logStart, logEnd, retryAfterMs, retriable, cause };
    return new LogError(code, message.replaceAll(this.#ending, ''), {
      ...context,
      topic: topic === undefined ? undefined : this.#inner(topic),
    });
  }
}
