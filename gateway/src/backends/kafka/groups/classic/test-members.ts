// What tests of classic members share: a member with a client that does as it is told, and Java's own consumer.
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { systemClock } from 'distributedlog/core';
import type { LogError } from 'distributedlog/protocol';
import type { Assignment, MemberWishes } from 'distributedlog/server';
import { onTestFinished } from 'vitest';
import { kafkaTools } from '../../../../../../e2e/kafka/java.mjs';
import type { Cluster } from '../../cluster.ts';
import { brokers } from '../../test-kafka.ts';
import type { MemberDriver } from '../member-driver.ts';
import { classicDriver } from './index.ts';

export const wishes = (topics: readonly string[], more: Partial<MemberWishes> = {}): MemberWishes => ({
  topics,
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 10_000,
  maxPollIntervalMs: 300_000,
  ...more,
});

/** Lets go at once, unless `keeps`. */
export class TestMember {
  readonly driver: MemberDriver;
  readonly instanceId: string;
  /** Every assignment it was told, as `topic/partition`s; the first is the answer to its join. */
  readonly told: string[][] = [];
  readonly epochs: number[] = [];
  fenced: LogError | undefined;
  keeps = false;
  #last: Assignment | undefined;

  constructor(
    cluster: Cluster,
    groupId: string,
    memberWishes: MemberWishes,
    { instanceId = randomUUID(), replaces }: { instanceId?: string; replaces?: string | undefined } = {},
  ) {
    this.instanceId = instanceId;
    this.driver = classicDriver(
      { cluster, clock: systemClock, random: Math.random },
      { groupId, instanceId, memberId: randomUUID(), replaces, wishes: memberWishes },
      {
        onAssignment: (assignment) => this.#hear(assignment),
        onFenced: (error) => {
          this.fenced = error;
        },
      },
    );
    onTestFinished(() => this.driver.leave());
  }

  get owned(): string[] {
    return this.told.at(-1) ?? [];
  }
  async join(): Promise<this> {
    this.#hear(await this.driver.join());
    return this;
  }
  async update(next: MemberWishes): Promise<void> {
    this.#hear(await this.driver.update(next));
  }
  letGo(): void {
    if (this.#last !== undefined) this.driver.owned(this.#last.memberEpoch, this.#last.partitions);
  }

  #hear(assignment: Assignment): void {
    this.#last = assignment;
    this.epochs.push(assignment.memberEpoch);
    this.told.push(
      assignment.partitions
        .flatMap(({ topic, partitions }) => partitions.map((partition) => `${topic}/${partition}`))
        .sort(),
    );
    if (!this.keeps) setImmediate(() => this.letGo());
  }
}

/** Java's console consumer in the group; what it reads, as `partition value`. */
export async function javaConsumer(groupId: string, topic: string, properties: Record<string, string> = {}) {
  const tools = await kafkaTools({ say: () => {} });
  onTestFinished(async () => {
    await tools.close();
  });
  const all = { 'group.protocol': 'classic', 'auto.offset.reset': 'earliest', ...properties };
  const child = tools.spawnTool(
    'org.apache.kafka.tools.consumer.ConsoleConsumer',
    [
      ...['--bootstrap-server', brokers.join(), '--topic', topic, '--group', groupId],
      ...['--property', 'print.partition=true'],
      ...Object.entries(all).flatMap(([key, value]) => ['--consumer-property', `${key}=${value}`]),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const lines: string[] = [];
  let stderr = '';
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  child.stderr?.on('data', (chunk) => {
    stderr += String(chunk);
  });
  return { child, lines, stderr: () => stderr };
}
