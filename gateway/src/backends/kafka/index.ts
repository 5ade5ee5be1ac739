// A Kafka cluster as the log.
import { systemClock } from 'distributedlog/core';
import type { Log } from 'distributedlog/server';
import { KafkaLog } from './kafka-log.ts';
import { type KafkaLogOptions, parseKafkaLogOptions } from './options.ts';

export type { KafkaLogOptions, KafkaSasl, KafkaTls } from './options.ts';

/** How long opening waits for the cluster. */
const FIRST_LOOK_MS = 5_000;

/**
 * Opens the cluster. Resolves also while no broker answers: `health()` says why, requests fail with retriable errors, and the
 * cluster is looked for until it is found. Rejects with INVALID_CONFIG for wrong options.
 */
export async function kafkaLog(options: KafkaLogOptions): Promise<Log> {
  const log = new KafkaLog({ settings: parseKafkaLogOptions(options), clock: systemClock, random: Math.random });
  await log.firstLook(FIRST_LOOK_MS);
  return log;
}
