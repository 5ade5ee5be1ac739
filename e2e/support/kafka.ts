// What specs against a real Kafka share: the broker of KAFKA_BROKERS, tools that nobody here wrote (Kafka's own, its Java
// clients, kcat), a gateway process in front of it, and records as every side tells them.
import { type ChildProcess, type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test as base } from '@playwright/test';
import { Client, type ConsumerRecord } from 'distributedlog';
import { findJava, kafkaTools } from '../kafka/java.mjs';
import { GatewayProcess } from './gateway-process.ts';

type Tools = Awaited<ReturnType<typeof kafkaTools>>;

/** Bytes are latin1 text, so that a failed comparison can be read. */
export interface Told {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly timestampType: 'create' | 'append';
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [string, string | null])[];
}
/** What is written: bytes as they are told. */
export interface ToWrite {
  readonly key?: string | null;
  readonly value: string | null;
  readonly headers?: readonly (readonly [string, string | null])[];
  readonly partition?: number;
  readonly timestamp?: number;
}
const latin1 = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString('latin1'));
export const bytesOf = (text: string | null): Uint8Array | null => (text === null ? null : Buffer.from(text, 'latin1'));
export const told = (record: ConsumerRecord): Told => ({
  partition: record.partition,
  offset: record.offset,
  timestamp: record.timestamp,
  timestampType: record.timestampType,
  key: latin1(record.key),
  value: latin1(record.value),
  headers: record.headers.map(({ key, value }) => [key, latin1(value)] as const),
});

const inBase64 = (text: string | null | undefined) =>
  text === null || text === undefined ? null : Buffer.from(text, 'latin1').toString('base64');
const fromBase64 = (text: string | null) => (text === null ? null : Buffer.from(text, 'base64').toString('latin1'));

/** A step of Records.java. */
export type Step = Readonly<Record<string, unknown>> & { readonly do: string };
export const send = (producer: string, topic: string, { key, value, headers = [], ...rest }: ToWrite): Step => ({
  do: 'send',
  producer,
  topic,
  ...rest,
  key: inBase64(key),
  value: inBase64(value),
  headers: headers.map(([name, bytes]) => [name, inBase64(bytes)]),
});

interface JavaRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly timestampType: string;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [string, string | null])[];
}

/** Records.java, running: to start it takes longer than most of what it is asked to do. */
class RecordsProcess {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #stderr = '';

  constructor(tools: Tools, bootstrap: string) {
    this.#child = tools.spawnTool('Records.java', [bootstrap], { stdio: ['pipe', 'pipe', 'pipe'] });
    const { stdout, stderr } = this.#child;
    if (stdout === null) throw new Error('Records.java has no standard output');
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    stderr?.on('data', (chunk) => {
      this.#stderr = (this.#stderr + chunk).slice(-4_000);
    });
  }

  async answer(steps: readonly Step[]): Promise<unknown[]> {
    this.#child.stdin?.write(`${JSON.stringify(steps)}\n`);
    const { done, value } = await this.#lines.next();
    if (done) throw new Error(`Records.java ended: ${this.#stderr}`);
    const answers: unknown = JSON.parse(value);
    if (!Array.isArray(answers)) throw new Error(`Records.java: ${value}\n${this.#stderr}`);
    return answers;
  }
}

export class Kafka {
  readonly bootstrap: string;
  readonly #tools: Tools;
  #records: RecordsProcess | undefined;

  constructor(bootstrap: string, tools: Tools) {
    this.bootstrap = bootstrap;
    this.#tools = tools;
  }

  /** A command-line tool of Kafka's by its class under org.apache.kafka.tools, with the brokers' addresses; resolves with its output. */
  async tool(name: string, args: readonly string[], input?: string): Promise<string> {
    const all = ['--bootstrap-server', this.bootstrap, ...args];
    return (await this.#tools.tool(`org.apache.kafka.tools.${name}`, all, { input })).stdout.toString('latin1');
  }

  /** A tool that runs until it is told to end. */
  startTool(name: string, args: readonly string[]): ChildProcess {
    const all = ['--bootstrap-server', this.bootstrap, ...args];
    return this.#tools.spawnTool(`org.apache.kafka.tools.${name}`, all, { stdio: ['ignore', 'pipe', 'inherit'] });
  }

  /** kafka-consumer-groups --describe, as rows by heading. */
  async describeGroup(group: string, ...more: readonly string[]): Promise<Record<string, string>[]> {
    return table(await this.tool('consumer.group.ConsumerGroupCommand', ['--describe', '--group', group, ...more]));
  }

  /** Steps of Records.java; resolves with what they are answered by. One at a time. */
  async java(steps: readonly Step[]): Promise<unknown[]> {
    this.#records ??= new RecordsProcess(this.#tools, this.bootstrap);
    return await this.#records.answer(steps);
  }

  /** All of a topic as Kafka's Java consumer reads it, by partition and offset. */
  async readByJava(topic: string, isolation: 'read_uncommitted' | 'read_committed'): Promise<Told[]> {
    const [records] = (await this.java([
      { do: 'read', topics: [topic], config: { 'isolation.level': isolation } },
    ])) as [readonly JavaRecord[]];
    return records
      .map(({ partition, offset, timestamp, timestampType, key, value, headers }): Told => {
        return {
          partition,
          offset,
          timestamp,
          timestampType: timestampType === 'LogAppendTime' ? 'append' : 'create',
          key: fromBase64(key),
          value: fromBase64(value),
          headers: headers.map(([name, bytes]) => [name, fromBase64(bytes)] as const),
        };
      })
      .sort(byPlace);
  }

  kcat(args: readonly string[], input?: Uint8Array): Buffer {
    const ran: SpawnSyncReturns<Buffer> = spawnSync('kcat', ['-b', this.bootstrap, ...args], {
      input,
      timeout: 60_000,
      maxBuffer: 256 * 1024 * 1024,
    });
    if (ran.status === 0) return ran.stdout;
    throw new Error(`kcat ${args.join(' ')} ended with ${ran.status ?? ran.signal}: ${ran.stderr}`);
  }

  /** All of a topic as kcat reads it, without headers, by partition and offset. */
  readByKcat(topic: string): Omit<Told, 'headers' | 'timestampType'>[] {
    // Lengths before the bytes, so that the bytes may be any.
    const output = this.kcat(['-C', '-t', topic, '-o', 'beginning', '-e', '-q', '-f', '%p %o %T %K %S\\n%k%s\\n']);
    const records = [];
    for (let at = 0; at < output.length; ) {
      const end = output.indexOf('\n', at);
      const [partition = 0, offset = 0, timestamp = 0, keyLength = 0, valueLength = 0] = output
        .toString('latin1', at, end)
        .split(' ')
        .map(Number);
      at = end + 1;
      const take = (length: number): string | null => {
        if (length < 0) return null;
        at += length;
        return output.toString('latin1', at - length, at);
      };
      records.push({ partition, offset, timestamp, key: take(keyLength), value: take(valueLength) });
      at += 1;
    }
    return records.sort(byPlace);
  }
}

export const byPlace = (
  a: { readonly partition: number; readonly offset: number },
  b: { readonly partition: number; readonly offset: number },
): number => a.partition - b.partition || a.offset - b.offset;

const POLL_MS = 1_000;
/** All of a topic as our consumer reads it from the beginning to the ends of now, by partition and offset. */
export async function readByUs(
  client: Client,
  topic: string,
  isolationLevel: 'read_uncommitted' | 'read_committed' = 'read_committed',
  maxPartitionFetchBytes?: number,
): Promise<Told[]> {
  const consumer = client.consumer({ isolationLevel, autoOffsetReset: 'earliest', maxPartitionFetchBytes });
  try {
    const partitions = await consumer.partitionsFor(topic);
    await consumer.assign(partitions.map(({ partition }) => ({ topic, partition })));
    const ends = await consumer.endOffsets(consumer.assignment());
    const records: Told[] = [];
    const unread = async (): Promise<boolean> => {
      for (const end of ends) if ((await consumer.position(end)) < end.offset) return true;
      return false;
    };
    while (await unread()) records.push(...(await consumer.poll({ timeoutMs: POLL_MS })).map(told));
    return records.sort(byPlace);
  } finally {
    await consumer.close();
  }
}

/** A table that a tool of Kafka's printed, by its headings. */
export function table(text: string): Record<string, string>[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const headings = (lines[0] ?? '').split(/\s{2,}|(?<=\S) (?=\S)/).map((heading) => heading.trim());
  return lines.slice(1).map((line) => {
    const cells = line.trim().split(/\s+/);
    return Object.fromEntries(headings.map((heading, index) => [heading, cells[index] ?? '']));
  });
}

export interface KafkaFixtures {
  /** What members of groups speak, on every test of a file or a block: `test.use`. */
  readonly groupProtocol: 'auto' | 'consumer' | 'classic';
  /** In front of that Kafka. */
  readonly gateway: GatewayProcess;
  readonly client: Client;
  /** Creates a topic with a name of its own. */
  readonly createTopic: (
    what: string,
    options?: { partitions?: number; config?: Record<string, string> },
  ) => Promise<string>;
}

/** Why specs that need a broker and the tools of others cannot run here; undefined where they can. */
export const whyNoKafka = ((): string | undefined => {
  if (!process.env.KAFKA_BROKERS) return 'KAFKA_BROKERS is not set';
  if (spawnSync('kcat', ['-V']).status !== 0) return 'there is no kcat';
  try {
    findJava();
    return undefined;
  } catch (error) {
    return String(error);
  }
})();

export const test = base.extend<KafkaFixtures, { readonly kafka: Kafka }>({
  kafka: [
    async ({}, use) => {
      const tools = await kafkaTools();
      await use(new Kafka(process.env.KAFKA_BROKERS ?? '', tools));
      await tools.close();
    },
    { scope: 'worker', timeout: 300_000 },
  ],
  groupProtocol: ['auto', { option: true }],
  gateway: async ({ kafka, groupProtocol }, use) => {
    const dir = mkdtempSync(join(tmpdir(), 'dlog-interop-'));
    const config = join(dir, 'dlog.json');
    writeFileSync(config, JSON.stringify({ kafka: { groupProtocol } }));
    const gateway = await GatewayProcess.startOnKafka(kafka.bootstrap, ['--config', config]);
    await use(gateway);
    await gateway.dispose();
    rmSync(dir, { recursive: true });
  },
  client: async ({ gateway }, use) => {
    const client = new Client({ bootstrapServers: gateway.url, clientId: 'interop' });
    await use(client);
    await client.close();
  },
  createTopic: async ({ client }, use) => {
    const admin = client.admin();
    const names: string[] = [];
    await use(async (what, { partitions = 1, config = {} } = {}) => {
      const name = `interop.${what}.${randomUUID().slice(0, 8)}`;
      await admin.createTopic({ name, partitions, config });
      names.push(name);
      return name;
    });
    for (const name of names) await admin.deleteTopic(name);
    await admin.close();
  },
});
export { expect } from '@playwright/test';
