// Groups on a Kafka cluster, as the Log port wants them: the one way in for the log. Knows nothing of records or sockets.
import type { Clock, Random } from 'distributedlog/core';
import type { IsolationLevel } from 'distributedlog/protocol';
import type { GroupPort, PartitionEnds, PartitionRef } from 'distributedlog/server';
import type { Cluster } from '../cluster.ts';
import { classicDriver } from './classic/index.ts';
import { ConsumerDriver } from './consumer/driver.ts';
import { Groups } from './kafka-groups.ts';

export interface KafkaGroupsOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly random: Random;
  /** Where these partitions begin and end, as of now; those that cannot be had are absent. In the order asked for, or not: each names itself. */
  readonly endsOf: (
    partitions: readonly PartitionRef[],
    isolation: IsolationLevel,
  ) => Promise<readonly (PartitionRef & Pick<PartitionEnds, 'logStart' | 'highWatermark'>)[]>;
  /** Something went wrong that nobody waits for. Default: nobody is told. */
  readonly onError?: ((error: unknown, message: string) => void) | undefined;
}
export interface KafkaGroups extends GroupPort {
  /** Members are neither heard of nor given up any more: their clients come back through another gateway, or their sessions end at the brokers. */
  close(): Promise<void>;
}

export function kafkaGroups({ cluster, clock, random, endsOf, onError }: KafkaGroupsOptions): KafkaGroups {
  return new Groups({
    cluster,
    clock,
    random,
    endsOf: (partitions) => endsOf(partitions, 'read_uncommitted'),
    drivers: {
      consumer: (...how) => new ConsumerDriver(...how),
      classic: classicDriver,
    },
    onError: onError ?? (() => undefined),
  });
}
