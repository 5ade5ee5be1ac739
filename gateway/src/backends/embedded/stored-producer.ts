// The bytes in which the state of a producer is kept. Knows nothing of what it means.
import { LogError } from 'distributedlog/protocol';
import type { ProducerState, WrittenBatch } from 'distributedlog/server';

// epoch i16 · last seen f64 · then for each batch: first sequence i32 · last sequence i32 · base offset f64
const HEAD_BYTES = 10;
const BATCH_BYTES = 16;

export function encodeProducerState(state: ProducerState): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + state.batches.length * BATCH_BYTES);
  bytes.writeInt16BE(state.epoch, 0);
  bytes.writeDoubleBE(state.lastSeen, 2);
  state.batches.forEach((batch, index) => {
    const at = HEAD_BYTES + index * BATCH_BYTES;
    bytes.writeInt32BE(batch.baseSequence, at);
    bytes.writeInt32BE(batch.lastSequence, at + 4);
    bytes.writeDoubleBE(batch.baseOffset, at + 8);
  });
  return bytes;
}
/** Throws KAFKA_STORAGE_ERROR for bytes that cannot be one. */
export function decodeProducerState(bytes: Buffer): ProducerState {
  if (bytes.length <= HEAD_BYTES || (bytes.length - HEAD_BYTES) % BATCH_BYTES !== 0)
    throw new LogError(
      'KAFKA_STORAGE_ERROR',
      'the store holds a damaged producer state: restore the directory from a backup',
      { retriable: false },
    );
  const batches: WrittenBatch[] = [];
  for (let at = HEAD_BYTES; at < bytes.length; at += BATCH_BYTES)
    batches.push({
      baseSequence: bytes.readInt32BE(at),
      lastSequence: bytes.readInt32BE(at + 4),
      baseOffset: bytes.readDoubleBE(at + 8),
    });
  return { epoch: bytes.readInt16BE(0), lastSeen: bytes.readDoubleBE(2), batches };
}
