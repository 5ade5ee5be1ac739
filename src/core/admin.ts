// Topics and groups from the outside: creating, deleting, listing, describing. Knows nothing of records.
import type { Observable } from 'rxjs';
import {
  type GroupDescription,
  type GroupSummary,
  LogError,
  type TopicDescription,
  type TopicInfo,
} from '../protocol/index.ts';
import { type ClientConfig, clientConfigSchema, nearest, parseConfig, show } from './config.ts';
import { checkGroupId, checkTopicName } from './names.ts';
import type { ConnectionStatus, RequestOptions, Session } from './session.ts';
import { sessionFor } from './session-for.ts';
import { checkWaitOptions, type WaitOptions } from './wait-options.ts';

export interface NewTopic {
  /** 1 to 249 of a-z A-Z 0-9 . _ - and neither "." nor "..". */
  readonly name: string;
  /** Default: the log's. */
  readonly partitions?: number | undefined;
  /** Default: the log's; the embedded log takes 1 only. */
  readonly replicationFactor?: number | undefined;
  /** Kafka's topic configuration, such as 'retention.ms'. */
  readonly config?: Readonly<Record<string, string>> | undefined;
}
const NEW_TOPIC_KEYS = ['name', 'partitions', 'replicationFactor', 'config'];

/** Requests are repeated over reconnects until the timeout (requestTimeoutMs). Dials at the first call. */
export class Admin implements AsyncDisposable {
  readonly #session: Session;
  readonly #release: () => Promise<void>;
  #closed = false;

  /** Throws INVALID_CONFIG naming every wrong and unknown key. */
  constructor(config?: ClientConfig) {
    parseConfig('Admin', clientConfigSchema, config);
    const { session, release } = sessionFor({ ...config });
    this.#session = session;
    this.#release = release;
  }

  /** Of its connection: replays the latest; completes on close. */
  get status$(): Observable<ConnectionStatus> {
    return this.#session.status$;
  }

  /** Resolves with the topic. Rejects with TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR or INVALID_REQUEST. */
  async createTopic(topic: NewTopic, options?: WaitOptions): Promise<TopicDescription> {
    const wait = this.#begin('createTopic', options);
    const { name, partitions, replicationFactor, config } = checkNewTopic(topic);
    const created = await this.#session.request<'createTopic'>(
      {
        type: 'createTopic',
        name,
        ...(partitions === undefined ? {} : { partitions }),
        ...(replicationFactor === undefined ? {} : { replicationFactor }),
        ...(config === undefined ? {} : { config: { ...config } }),
      },
      wait,
    );
    return describeTopic(created.topic);
  }

  /** Deletes its records and its groups' commits. Rejects with UNKNOWN_TOPIC_OR_PARTITION. */
  async deleteTopic(name: string, options?: WaitOptions): Promise<void> {
    const wait = this.#begin('deleteTopic', options);
    checkTopicName(name);
    const { clock, requestTimeoutMs } = this.#session;
    const end = clock.now() + (wait.timeoutMs ?? requestTimeoutMs);
    for (let lost = false; ; lost = true) {
      try {
        // Not repeated by the session, for which an unknown topic is worth waiting for.
        const timeoutMs = Math.max(0, end - clock.now());
        await this.#session.request({ type: 'deleteTopic', name }, { ...wait, timeoutMs, retry: false });
        return;
      } catch (error) {
        const { code } = LogError.from(error);
        // An earlier attempt, whose answer was lost with its connection, has done it.
        if (lost && code === 'UNKNOWN_TOPIC_OR_PARTITION') return;
        if (code !== 'NETWORK_EXCEPTION') throw error;
      }
    }
  }

  async listTopics(options?: WaitOptions): Promise<TopicDescription[]> {
    const wait = this.#begin('listTopics', options);
    const topics = await this.#session.topics.describe(undefined, wait);
    return topics.map(describeTopic).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async listGroups(options?: WaitOptions): Promise<GroupSummary[]> {
    const wait = this.#begin('listGroups', options);
    return (await this.#session.request<'listGroups'>({ type: 'listGroups' }, wait)).groups;
  }

  /** Members, assignments, committed offsets and lag. Rejects with GROUP_ID_NOT_FOUND. */
  async describeGroup(groupId: string, options?: WaitOptions): Promise<GroupDescription> {
    const wait = this.#begin('describeGroup', options);
    checkGroupId(groupId);
    return (await this.#session.request<'describeGroup'>({ type: 'describeGroup', groupId }, wait)).group;
  }

  /** Lets go of the connection; calls still waiting on a connection of its own fail with CLOSED. Idempotent. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#release();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #begin(call: string, options: WaitOptions | undefined): RequestOptions {
    if (this.#closed) throw new LogError('CLOSED', `${call}: the admin is closed`);
    checkWaitOptions(call, options);
    return { timeoutMs: options?.timeoutMs, signal: options?.signal };
  }
}

function checkNewTopic(topic: unknown): NewTopic {
  const wrong = (message: string) => new LogError('INVALID_REQUEST', `createTopic: ${message}`);
  if (typeof topic !== 'object' || topic === null) {
    throw wrong(`the topic must be an object such as { name: 'clicks', partitions: 3 }, got ${show(topic)}`);
  }
  for (const key of Object.keys(topic)) {
    if (NEW_TOPIC_KEYS.includes(key)) continue;
    const near = nearest(key, NEW_TOPIC_KEYS);
    const hint = near === undefined ? `known keys: ${NEW_TOPIC_KEYS.join(', ')}` : `did you mean "${near}"?`;
    throw wrong(`unknown key ${JSON.stringify(key)} (${hint})`);
  }
  const { name, partitions, replicationFactor, config } = topic as Record<keyof NewTopic, unknown>;
  checkTopicName(name);
  if (partitions !== undefined && !isCount(partitions)) {
    throw new LogError(
      'INVALID_PARTITIONS',
      `createTopic: partitions must be an integer of at least 1, got ${show(partitions)}`,
    );
  }
  if (replicationFactor !== undefined && !isCount(replicationFactor)) {
    const message = `createTopic: replicationFactor must be an integer of at least 1, got ${show(replicationFactor)}`;
    throw new LogError('INVALID_REPLICATION_FACTOR', message);
  }
  if (config === undefined) return { name, partitions, replicationFactor };
  if (
    typeof config !== 'object' ||
    config === null ||
    Object.values(config).some((value) => typeof value !== 'string')
  ) {
    throw wrong(`config must be an object of strings such as { 'retention.ms': '86400000' }, got ${show(config)}`);
  }
  return { name, partitions, replicationFactor, config: { ...config } };
}
const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value < 2 ** 31;

/** The topic as applications see it. */
function describeTopic({ name, topicId, internal, partitions }: TopicInfo): TopicDescription {
  return { name, topicId, internal, partitions: partitions.map((partition) => ({ topic: name, ...partition })) };
}
