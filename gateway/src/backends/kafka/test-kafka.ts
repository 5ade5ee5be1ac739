// What tests against a real broker share: where it is, and names of their own. Skipped visibly where there is none.
import { randomUUID } from 'node:crypto';
import { type Clock, systemClock } from 'distributedlog/core';
import { describe, onTestFinished } from 'vitest';
import { Cluster } from './cluster.ts';
import { type KafkaLogOptions, parseKafkaLogOptions } from './options.ts';
import type { ScriptedCluster } from './test-scripted-broker.ts';

const { KAFKA_BROKERS } = process.env;
export const brokers: readonly string[] = KAFKA_BROKERS ? KAFKA_BROKERS.split(',') : [];

/** `npm test` starts a broker and sets KAFKA_BROKERS; alone: `node scripts/kafka.mjs`. With REQUIRE_KAFKA=1 they fail without one. */
export const describeWithKafka = describe.skipIf(brokers.length === 0 && process.env.REQUIRE_KAFKA !== '1');

/** A name that no other test has. */
export function unique(what: string): string {
  return `test.${what}.${randomUUID().slice(0, 13)}`;
}

/** As `openCluster`, of brokers that answer as they are told. */
export function openScripted(
  scripted: ScriptedCluster,
  options: Partial<KafkaLogOptions> = {},
  clock: Clock = systemClock,
): Promise<Cluster> {
  return openCluster({ brokers: scripted.addresses, ...options }, clock);
}

/** A cluster that was looked at once; closed when the test ends. */
export async function openCluster(
  options: Partial<KafkaLogOptions> = {},
  clock: Clock = systemClock,
): Promise<Cluster> {
  const cluster = new Cluster(parseKafkaLogOptions({ brokers, ...options }), clock, Math.random);
  onTestFinished(() => cluster.close());
  await cluster.refresh();
  return cluster;
}
