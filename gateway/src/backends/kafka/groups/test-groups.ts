// Gateways without sockets, and members that behave as our clients do: they give up at once what they must. For tests against a real broker.
import { randomUUID } from 'node:crypto';
import { type Clock, systemClock } from 'distributedlog/core';
import type { LogError } from 'distributedlog/protocol';
import type { Assignment, JoinRequest, Membership } from 'distributedlog/server';
import { onTestFinished, vi } from 'vitest';
import { KafkaLog } from '../kafka-log.ts';
import { type KafkaLogOptions, parseKafkaLogOptions } from '../options.ts';
import { brokers } from '../test-kafka.ts';

const resumeSecret = 'of all the gateways that a test has';

/** A log as one gateway has it. */
export async function openLog(options: Partial<KafkaLogOptions> = {}, clock: Clock = systemClock): Promise<KafkaLog> {
  const settings = parseKafkaLogOptions({ brokers, resumeSecret, ...options });
  const log = new KafkaLog({ settings, clock, random: Math.random });
  onTestFinished(() => log.close());
  await log.firstLook(5_000);
  return log;
}

export interface TestMember {
  readonly membership: Membership;
  /** Of what it was told: partitions of every assignment after the first. */
  readonly pushes: readonly string[][];
  readonly errors: readonly LogError[];
  takenOver(): boolean;
  /** 't-0', … as it was told last. */
  owns(): string[];
  epoch(): number;
}

export const textOf = ({ partitions }: Pick<Assignment, 'partitions'>): string[] =>
  partitions.flatMap(({ topic, partitions: numbers }) => numbers.map((n) => `${topic.split('.')[1]}-${n}`)).sort();

/** `keeps`: it never says what it has. */
export async function join(
  log: KafkaLog,
  request: Partial<JoinRequest> & Pick<JoinRequest, 'groupId' | 'topics'>,
  { keeps = false } = {},
): Promise<TestMember> {
  const pushes: string[][] = [];
  const errors: LogError[] = [];
  let takenOver = false;
  let told: Assignment | undefined;
  const letGo = ({ memberEpoch, partitions }: Assignment): void => {
    if (!keeps) membership.owned(memberEpoch, partitions);
  };
  const membership = await log.groups.join(
    {
      clientId: 'a-client',
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 60_000,
      maxPollIntervalMs: 300_000,
      ...request,
    },
    {
      onAssignment(assignment) {
        told = assignment;
        pushes.push(textOf(assignment));
        letGo(assignment);
      },
      onFenced: (error) => errors.push(error),
      onTakenOver: () => {
        takenOver = true;
      },
    },
  );
  letGo(membership);
  return {
    membership,
    pushes,
    errors,
    takenOver: () => takenOver,
    owns: () => textOf(told ?? membership),
    epoch: () => (told ?? membership).memberEpoch,
  };
}

export function resumeOf(member: TestMember): Pick<JoinRequest, 'memberId' | 'resumeToken'> {
  const { memberId, resumeToken } = member.membership;
  return { memberId, resumeToken };
}

/** A topic of its own, deleted when the test ends; `t-0`, … are its partitions. */
export async function makeTopic(log: KafkaLog, partitions: number, name = 't'): Promise<string> {
  const { name: made } = await log.createTopic({ name: `groups.${name}.${randomUUID().slice(0, 8)}`, partitions });
  onTestFinished(() => log.deleteTopic(made).catch(() => undefined));
  return made;
}

/** Every partition has one owner among them, and each its share. */
export async function settledOver(members: readonly TestMember[], count: number): Promise<void> {
  await vi.waitFor(
    () => {
      const owned = members.flatMap((member) => member.owns());
      const shares = members.map((member) => member.owns().length);
      const isShared = Math.max(...shares) - Math.min(...shares) <= 1;
      if (!isShared || owned.length !== count || new Set(owned).size !== count) throw new Error(`owned: ${shares}`);
    },
    { timeout: 10_000, interval: 20 },
  );
}
