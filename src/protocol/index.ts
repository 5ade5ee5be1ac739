// dlog.v1, the wire: what both ends share.
export { type ClientFrame, type ClientFrameOf, clientFrame } from './client-frames.ts';
export { CLOSE_CODES, type CloseReason, mayReconnect } from './close-codes.ts';
export {
  codecsOf,
  compressBatch,
  type Decompress,
  type Decompressors,
  decompressBatch,
  inflateBatch,
  withBuiltIn,
} from './compression.ts';
export {
  encodeClientFrame,
  encodeServerFrame,
  parseClientFrame,
  parseServerFrame,
  readFrameId,
} from './control-codec.ts';
export { crc32c } from './crc32c.ts';
export {
  type AbortedTransaction,
  type DataFrame,
  type DataFrameHeader,
  dataFrameHeaderBytes,
  encodeProduceFrame,
  FRAME_TYPE_DATA,
  FRAME_TYPE_PRODUCE,
  type ProduceFrame,
  parseDataFrame,
  parseProduceFrame,
  readProduceId,
  writeDataFrameHeader,
} from './data-frame.ts';
export { ERROR_TABLE, type ErrorCode, isErrorCode, LogError, type LogErrorContext } from './errors.ts';
export { MAX_SAFE_OFFSET, PROTOCOL_LIMITS, PROTOCOL_NAME, PROTOCOL_VERSION } from './limits.ts';
export { CLOSE_MEANINGS, ERROR_MEANINGS } from './meanings.ts';
export { murmur2, partitionForKey } from './murmur2.ts';
export {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  type Compression,
  readBatchHeader,
  scanBatches,
  stampBatch,
  verifyBatch,
} from './record-batch.ts';
export { type EncodeBatchOptions, encodeBatch, type RecordToEncode } from './record-encoder.ts';
export { RecordReader } from './record-reader.ts';
export {
  type ErrorFrame,
  type ReplyOf,
  type ServerFrame,
  type ServerFrameOf,
  serverFrames,
  type TopicInfo,
} from './server-frames.ts';
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
} from './types.ts';
