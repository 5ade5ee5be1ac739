// The public API as its users program against it: names, signatures and defaults, checked by the compiler and, where they are values, at run time.

import type { MonoTypeOperatorFunction, Observable } from 'rxjs';
import { describe, expect, expectTypeOf, it } from 'vitest';
import * as z from 'zod/mini';
import { decompressors } from './codecs/index.ts';
import * as entry from './index.ts';
import {
  Admin,
  acknowledge,
  bytes,
  Client,
  type ClientConfig,
  type ConnectionStatus,
  Consumer,
  type ConsumerConfig,
  type ConsumerEvent,
  type ConsumerRecord,
  type Deserializer,
  type ErrorCode,
  type GroupDescription,
  type GroupSummary,
  json,
  LogError,
  type OffsetAndMetadata,
  type PartitionDescription,
  type PoisonRecord,
  Producer,
  type ProducerConfig,
  type RebalanceListener,
  type RebalanceView,
  type RecordHeader,
  type StreamOptions,
  type TopicDescription,
  type TopicPartition,
  type TopicPartitionOffset,
  type Transport,
  text,
  type WaitOptions,
} from './index.ts';

describe('the public API', () => {
  it('exports every documented value', () => {
    for (const name of [
      'Consumer',
      'Producer',
      'Admin',
      'Client',
      'LogError',
      'acknowledge',
      'bytes',
      'text',
      'json',
    ]) {
      expect(entry).toHaveProperty(name);
    }
  });

  it('has the documented configuration, whose optional keys accept undefined', () => {
    const client: Required<ClientConfig> | ClientConfig = {
      bootstrapServers: ['localhost:9192'],
      clientId: undefined,
      token: async ({ signal }) => String(signal.aborted),
      transport: undefined,
      decompressors: { ...decompressors, gzip: undefined, lz4: async (bytes: Uint8Array) => bytes },
      requestTimeoutMs: 30_000,
      reconnectBackoffMs: 100,
      reconnectBackoffMaxMs: 10_000,
    };
    const config: ConsumerConfig<string, { id: number }> = {
      ...client,
      groupId: process.env.SURELY_NOT_SET,
      groupInstanceId: undefined,
      assignor: 'range',
      resumeAfterReload: true,
      autoCommit: true,
      autoCommitIntervalMs: 5_000,
      autoOffsetReset: { durationMs: 60_000 },
      fetchMinBytes: 1,
      fetchMaxWaitMs: 500,
      fetchMaxBytes: 8 * 1024 * 1024,
      maxPartitionFetchBytes: 1024 * 1024,
      maxPollRecords: 500,
      maxBufferedBytes: 16 * 1024 * 1024,
      maxPollIntervalMs: 300_000,
      whenBehind: { skipToLiveAfterMs: 1_000 },
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 60_000,
      isolationLevel: 'read_committed',
      key: text(),
      value: json(z.object({ id: z.number() })),
      onPoisonRecord: (poison: PoisonRecord) => expect(poison.field).toBe('value'),
    };
    const consumer = new Consumer(config);
    expectTypeOf(consumer).toEqualTypeOf<Consumer<string, { id: number }>>();
    expectTypeOf<ProducerConfig>().toExtend<ClientConfig>();
  });

  it('has the documented consumer', () => {
    type C = Consumer<string, number>;
    type Partitions = readonly TopicPartition[];
    expectTypeOf<C['subscribe']>().toBeCallableWith(/a.*/, { listener: {}, timeoutMs: 1, signal: undefined });
    expectTypeOf<C['subscribe']>().toBeCallableWith(['a', 'b'] as const);
    expectTypeOf<C['unsubscribe']>().toBeCallableWith({ timeoutMs: 1 } satisfies WaitOptions);
    expectTypeOf<C['assign']>().toBeCallableWith([{ topic: 'a', partition: 0 }], { timeoutMs: 1 });
    expectTypeOf<C['subscription']>().returns.toEqualTypeOf<ReadonlySet<string>>();
    expectTypeOf<C['assignment']>().returns.toEqualTypeOf<Partitions>();
    expectTypeOf<C['poll']>().toBeCallableWith({ timeoutMs: 1, maxRecords: 1, signal: new AbortController().signal });
    expectTypeOf<C['poll']>().returns.resolves.toEqualTypeOf<ConsumerRecord<string, number>[]>();
    expectTypeOf<C['stream']>().returns.toEqualTypeOf<Observable<ConsumerRecord<string, number>>>();
    expectTypeOf<C['stream']>().toBeCallableWith({ manualAck: true, maxInFlight: 10 } satisfies StreamOptions);
    expectTypeOf<C['batches']>().returns.toEqualTypeOf<Observable<readonly ConsumerRecord<string, number>[]>>();
    expectTypeOf<C>().toExtend<AsyncIterable<ConsumerRecord<string, number>> & AsyncDisposable>();
    expectTypeOf<C['forEach']>().toBeCallableWith(async (record) => expect(record).toBeDefined(), { concurrency: 2 });
    expectTypeOf<C['ack']>().parameters.toEqualTypeOf<[TopicPartitionOffset]>();
    expectTypeOf<C['commit']>().toBeCallableWith([{ topic: 'a', partition: 0, offset: 1, metadata: 'm' }], {
      timeoutMs: 1,
    });
    // @ts-expect-error records are not offsets to commit: their offset is the last one read, not the next one
    expectTypeOf<C['commit']>().toBeCallableWith([] as ConsumerRecord<string, number>[]);
    expectTypeOf<C['committed']>().returns.resolves.toEqualTypeOf<OffsetAndMetadata | null>();
    expectTypeOf<C['position']>().returns.resolves.toEqualTypeOf<number>();
    expectTypeOf<C['seek']>().parameters.toEqualTypeOf<[TopicPartition, number | OffsetAndMetadata]>();
    expectTypeOf<C['seekToBeginning']>().toBeCallableWith([] satisfies Partitions);
    expectTypeOf<C['seekToEnd']>().toBeCallableWith();
    expectTypeOf<C['seekToTail']>().toBeCallableWith(100);
    expectTypeOf<C['seekToTimestamp']>().toBeCallableWith(new Date(), [], { timeoutMs: 1 });
    expectTypeOf<C['beginningOffsets']>().returns.resolves.toEqualTypeOf<TopicPartitionOffset[]>();
    expectTypeOf<C['endOffsets']>().returns.resolves.toEqualTypeOf<TopicPartitionOffset[]>();
    expectTypeOf<C['offsetsForTimes']>().returns.resolves.toEqualTypeOf<
      ((TopicPartition & { offset: number; timestamp: number }) | null)[]
    >();
    expectTypeOf<C['currentLag']>().returns.toEqualTypeOf<number | null>();
    expectTypeOf<C['paused']>().returns.toEqualTypeOf<Partitions>();
    expectTypeOf<C['listTopics']>().returns.resolves.toEqualTypeOf<TopicDescription[]>();
    expectTypeOf<C['partitionsFor']>().returns.resolves.toEqualTypeOf<PartitionDescription[]>();
    expectTypeOf<NonNullable<ReturnType<C['groupMetadata']>>>().toExtend<{
      groupId: string;
      memberId: string;
      epoch: number;
    }>();
    expectTypeOf<ReturnType<C['metrics']>>().toExtend<{
      groupId: string | undefined | null;
      subscriptions: unknown;
      assignmentCount: number;
      closed: boolean;
      recordsConsumed: number;
      bytesConsumed: number;
      bufferedBytes: number;
      lag: unknown;
      reconnects: number;
    }>();
    expectTypeOf<C['status$']>().toEqualTypeOf<Observable<ConnectionStatus>>();
    expectTypeOf<C['assignment$']>().toEqualTypeOf<Observable<Partitions>>();
    expectTypeOf<C['lag$']>().toExtend<Observable<readonly (TopicPartition & { lag: number; endOffset: number })[]>>();
    expectTypeOf<C['events$']>().toEqualTypeOf<Observable<ConsumerEvent>>();
    expectTypeOf<C['close']>().toBeCallableWith({ timeoutMs: 1, leaveGroup: false });
    expectTypeOf<ConnectionStatus['type']>().toEqualTypeOf<'connecting' | 'live' | 'reconnecting' | 'closed'>();
    expectTypeOf<ConsumerEvent['type']>().toEqualTypeOf<
      'gap' | 'caughtUp' | 'rebalance' | 'commit' | 'poison' | 'throttled' | 'error'
    >();
    expectTypeOf<RebalanceListener>().toExtend<{
      onPartitionsAssigned?(partitions: Partitions, consumer: RebalanceView): void | Promise<void>;
    }>();
    expectTypeOf(acknowledge<ConsumerRecord>).returns.toEqualTypeOf<MonoTypeOperatorFunction<ConsumerRecord>>();
  });

  it('has the documented deserializers', () => {
    expectTypeOf(bytes()).toEqualTypeOf<Deserializer<Uint8Array>>();
    expectTypeOf(text()).toEqualTypeOf<Deserializer<string>>();
    expectTypeOf(json()).toEqualTypeOf<Deserializer<unknown>>();
    expectTypeOf(json(z.object({ id: z.number() }))).toEqualTypeOf<Deserializer<{ id: number }>>();
    const context: TopicPartition & { headers: readonly RecordHeader[] } = { topic: 't', partition: 0, headers: [] };
    expect(text()(new TextEncoder().encode('é'), context)).toBe('é');
  });

  it('has the documented producer, admin and client', () => {
    expectTypeOf<Producer['send']>().toBeCallableWith({
      topic: 't',
      value: null,
      key: 'k',
      headers: [{ key: 'h', value: null }],
      partition: undefined,
      timestamp: 1,
    });
    expectTypeOf<Producer['send']>().returns.resolves.toExtend<{
      topic: string;
      partition: number;
      offset: number;
      timestamp: number;
    }>();
    expectTypeOf<Producer['flush']>().toBeCallableWith({ timeoutMs: 1 });
    expectTypeOf<Producer>().toExtend<AsyncDisposable>();
    expectTypeOf<Admin['createTopic']>().toBeCallableWith({
      name: 't',
      partitions: 1,
      replicationFactor: undefined,
      config: { 'retention.ms': '1' },
    });
    expectTypeOf<Admin['deleteTopic']>().toBeCallableWith('t');
    expectTypeOf<Admin['listTopics']>().returns.resolves.toEqualTypeOf<TopicDescription[]>();
    expectTypeOf<Admin['listGroups']>().returns.resolves.toEqualTypeOf<GroupSummary[]>();
    expectTypeOf<Admin['describeGroup']>().returns.resolves.toEqualTypeOf<GroupDescription>();
    const client = new Client({ bootstrapServers: 'localhost:9192' });
    expectTypeOf(client.consumer<string, number>).returns.toExtend<Consumer<string, number>>();
    expect(client.producer()).toBeInstanceOf(Producer);
    expect(client.admin()).toBeInstanceOf(Admin);
    expect(client.consumer()).toBeInstanceOf(Consumer);
    expectTypeOf<ClientConfig['transport']>().toEqualTypeOf<Transport | undefined>();
  });

  it('has one error class with a closed set of codes', () => {
    const error = new LogError('OFFSET_OUT_OF_RANGE', 'gone', {
      topic: 't',
      partition: 1,
      offset: 2,
      logStart: 3,
      logEnd: 4,
    });
    expectTypeOf(error.code).toEqualTypeOf<ErrorCode>();
    expect(error).toMatchObject({
      name: 'LogError',
      retriable: false,
      topic: 't',
      partition: 1,
      offset: 2,
      logStart: 3,
      logEnd: 4,
    });
    expect(LogError.from(error)).toBe(error);
    expect(LogError.from(new TypeError('x'))).toMatchObject({ message: 'x', cause: expect.any(TypeError) });
  });
});
