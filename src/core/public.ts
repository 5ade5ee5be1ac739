// What applications use whatever their runtime, but for the classes that need its transport. The one list of it: every entry point adds only those.
export type { Decompress, Decompressors } from '../protocol/compression.ts';
export {
  ERROR_TABLE,
  type ErrorCode,
  LogError,
  type LogErrorContext,
} from '../protocol/errors.ts';
export type {
  ConsumerRecord,
  GroupDescription,
  GroupMember,
  GroupOffset,
  GroupSummary,
  IsolationLevel,
  OffsetAndMetadata,
  PartitionDescription,
  RecordHeader,
  TopicDescription,
  TopicPartition,
  TopicPartitionOffset,
} from '../protocol/types.ts';
export type { NewTopic } from './admin.ts';
export type { SharedConsumerConfig, SharedProducerConfig } from './client.ts';
export type { Clock, Random } from './clock.ts';
export type { ClientConfig, TokenSource } from './config.ts';
export { acknowledge } from './consumer.ts';
export type { ConsumerConfig, OnPoisonRecord } from './consumer-config.ts';
export type {
  ConsumerEvent,
  ConsumerMetrics,
  PoisonRecord,
  RebalanceListener,
  RebalanceView,
} from './consumer-events.ts';
export type { PartitionLag } from './consumer-observe.ts';
export { bytes, type Deserializer, json, type StandardSchemaV1, text } from './deserializers.ts';
export type { ProducerConfig, ProducerRecord, RecordMetadata } from './producer-config.ts';
export type { ConnectionStatus } from './session.ts';
export type { ForEachOptions, PollOptions, StreamOptions } from './streams.ts';
export type { Connection, ConnectionHandlers, KeepsakeSlot, LifecycleSignal, Transport } from './transport.ts';
export type { WaitOptions } from './wait-options.ts';
