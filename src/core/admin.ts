// Topics and groups from the outside: creating, deleting, listing, describing. Knows nothing of records.
import type { Observable } from 'rxjs';
import {
  type ErrorCode,
  type GroupDescription,
  type GroupSummary,
  LogError,
  type TopicDescription,
} from '../protocol/index.ts';
import { checkKeys, must, mustBeObject } from './checks.ts';
import { type ClientConfig, clientConfigSchema, isCount, isObject, parseConfig } from './config.ts';
import { described } from './consumer-queries.ts';
import { pause, RETRY_MS } from './consumer-wait.ts';
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
        partitions,
        replicationFactor,
        config,
      },
      wait,
    );
    return described(created.topic);
  }

  /** Deletes its records and its groups' commits. Rejects with UNKNOWN_TOPIC_OR_PARTITION. */
  async deleteTopic(name: string, options?: WaitOptions): Promise<void> {
    const wait = this.#begin('deleteTopic', options);
    checkTopicName(name);
    await this.#delete({ type: 'deleteTopic', name }, 'UNKNOWN_TOPIC_OR_PARTITION', wait);
  }

  async listTopics(options?: WaitOptions): Promise<TopicDescription[]> {
    const wait = this.#begin('listTopics', options);
    const topics = await this.#session.topics.describe(undefined, wait);
    return topics.map(described).sort((a, b) => (a.name < b.name ? -1 : 1));
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

  /** Deletes the group with its commits. Rejects with NON_EMPTY_GROUP while it has members, and with GROUP_ID_NOT_FOUND. */
  async deleteGroup(groupId: string, options?: WaitOptions): Promise<void> {
    const wait = this.#begin('deleteGroup', options);
    checkGroupId(groupId);
    await this.#delete({ type: 'deleteGroup', groupId }, 'GROUP_ID_NOT_FOUND', wait);
  }

  /** `gone`: what the log answers when there is nothing to delete. */
  async #delete(
    request: { type: 'deleteTopic'; name: string } | { type: 'deleteGroup'; groupId: string },
    gone: ErrorCode,
    wait: RequestOptions,
  ): Promise<void> {
    const { clock, requestTimeoutMs } = this.#session;
    const end = clock.now() + (wait.timeoutMs ?? requestTimeoutMs);
    for (let lost = false; ; ) {
      try {
        // Not repeated by the session, for which an unknown topic is worth waiting for.
        const timeoutMs = Math.max(0, end - clock.now());
        await this.#session.request(request, { ...wait, timeoutMs, retry: false });
        return;
      } catch (error) {
        const { code, retriable } = LogError.from(error);
        // An earlier attempt, whose answer was lost with its connection, has done it.
        if (lost && code === gone) return;
        if (!retriable || code === gone || code === 'TIMED_OUT') throw error;
        if (code === 'NETWORK_EXCEPTION') lost = true;
        else await pause(clock, RETRY_MS);
      }
    }
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
  const call = 'createTopic';
  mustBeObject(call, 'the topic', topic, "an object such as { name: 'clicks', partitions: 3 }");
  checkKeys(call, topic, NEW_TOPIC_KEYS);
  const { name, partitions, replicationFactor, config } = topic as Record<keyof NewTopic, unknown>;
  checkTopicName(name);
  checkMaybeCount('partitions', partitions, 'INVALID_PARTITIONS');
  checkMaybeCount('replicationFactor', replicationFactor, 'INVALID_REPLICATION_FACTOR');
  mustBeStrings(config);
  return { name, partitions, replicationFactor, config: config && { ...config } };
}
function checkMaybeCount(what: string, value: unknown, code: ErrorCode): asserts value is number | undefined {
  const ok = value === undefined || isCount(value, 1, 2 ** 31 - 1);
  must(ok, 'createTopic', what, 'an integer of at least 1', value, code);
}
function mustBeStrings(config: unknown): asserts config is Record<string, string> | undefined {
  const ok =
    config === undefined || (isObject(config) && Object.values(config).every((value) => typeof value === 'string'));
  must(ok, 'createTopic', 'config', "an object of strings such as { 'retention.ms': '86400000' }", config);
}
