// The requests of producers: Produce, written by hand since batches must go as the bytes they came as, and InitProducerId. Knows nothing of queues.
import {
  initProducerIdV3,
  initProducerIdV4,
  initProducerIdV5,
  produceV11,
  type Reader,
  Writer,
} from '@platformatic/kafka';
import type { PartitionRef } from 'distributedlog/server';
import { answered, apiFamily, type Send } from './api-family.ts';
import { byHand, byTopic, readLength, readNumber, skipTaggedFields } from './wire.ts';

/** One batch for one partition; a request may name a partition once. */
export interface BatchToProduce extends PartitionRef {
  readonly topic: string;
  readonly batch: Uint8Array;
}
export interface ProduceRequest {
  /** What the leader may take until all replicas in sync have it. */
  readonly timeoutMs: number;
  readonly batches: readonly BatchToProduce[];
}
export interface ProducedPartition extends PartitionRef {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly baseOffset: number;
  /** −1: the producer's timestamps were kept. */
  readonly logAppendTime: number;
  readonly logStart: number;
}
export interface ProduceAnswer {
  readonly throttleTimeMs: number;
  readonly partitions: readonly ProducedPartition[];
}

/** All replicas that are in sync. */
const ACKS_ALL = -1;
/** From here on topics are named by their ids, so that a batch cannot end in another topic of the same name. */
const TOPIC_IDS_SINCE = 13;

function writeProduce(version: number, { timeoutMs, batches }: ProduceRequest): Writer {
  return Writer.create()
    .appendString(null) // No transaction.
    .appendInt16(ACKS_ALL)
    .appendInt32(timeoutMs)
    .appendArray(byTopic(batches), (w, [topicId, partitions]) => {
      if (version >= TOPIC_IDS_SINCE) w.appendUUID(topicId);
      else w.appendString(partitions[0]?.topic);
      w.appendArray(partitions, (of, { partition, batch }) => {
        of.appendInt32(partition).appendBytes(Buffer.from(batch.buffer, batch.byteOffset, batch.length));
      });
    })
    .appendTaggedFields();
}

function readProduce(reader: Reader, version: number, { batches }: ProduceRequest): ProduceAnswer {
  const idByName = new Map(batches.map(({ topic, topicId }) => [topic, topicId]));
  const partitions: ProducedPartition[] = [];
  for (let topics = readLength(reader); topics > 0; topics--) {
    const topicId = version >= TOPIC_IDS_SINCE ? reader.readUUID() : (idByName.get(reader.readString()) ?? '');
    for (let count = readLength(reader); count > 0; count--) partitions.push(readPartition(reader, topicId));
    skipTaggedFields(reader);
  }
  return { partitions, throttleTimeMs: reader.readInt32() };
}

function readPartition(reader: Reader, topicId: string): ProducedPartition {
  const partition = reader.readInt32();
  const errorCode = reader.readInt16();
  const baseOffset = readNumber(reader);
  const logAppendTime = readNumber(reader);
  const logStart = readNumber(reader);
  let ofRecord: string | null = null;
  for (let count = readLength(reader); count > 0; count--) {
    reader.skip(4);
    const message = reader.readNullableString();
    ofRecord ??= message;
    skipTaggedFields(reader);
  }
  const errorMessage = reader.readNullableString() ?? ofRecord;
  // Who leads now is among them, from 10 on: the next look at the cluster says that of all partitions.
  skipTaggedFields(reader);
  return { topicId, partition, errorCode, errorMessage, baseOffset, logAppendTime, logStart };
}

const produce = (version: number) =>
  byHand(
    produceV11.api.key,
    version,
    (request: ProduceRequest) => writeProduce(version, request),
    (reader, request) => readProduce(reader, version, request),
  );
export const PRODUCE = apiFamily('Produce', produceV11.api.key, {
  9: produce(9),
  10: produce(10),
  11: produce(11),
  12: produce(12),
  13: produce(13),
});

export interface ProducerIdAnswer {
  readonly errorCode: number;
  readonly producerId: bigint;
  readonly producerEpoch: number;
}
const NO_PRODUCER = -1n;
const NO_EPOCH = -1;
const initProducerId = (send: Send<[null, number, bigint, number], ProducerIdAnswer>): Send<[], ProducerIdAnswer> => {
  // Without a transaction its timeout is of no interest.
  return (connection) => send(connection, null, 0, NO_PRODUCER, NO_EPOCH);
};
export const INIT_PRODUCER_ID = apiFamily('InitProducerId', initProducerIdV5.api.key, {
  3: initProducerId(answered(initProducerIdV3.api)),
  4: initProducerId(answered(initProducerIdV4.api)),
  5: initProducerId(answered(initProducerIdV5.api)),
});
