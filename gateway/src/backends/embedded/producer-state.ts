// What a partition remembers of one idempotent producer, so that a batch sent twice is written once. Pure; knows nothing of storage.
import { LogError } from 'distributedlog/protocol';

/** Batches a producer may have in flight and still be recognised when it repeats them: Kafka's number. */
const REMEMBERED = 5;
const SEQUENCES = 2 ** 31;

export interface ProducerBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
}
export interface ProducerState {
  readonly epoch: number;
  /** Wall clock of the last batch, ms. */
  readonly lastSeen: number;
  /** Oldest first, at most five. */
  readonly batches: readonly ProducerBatch[];
}
/** What a batch claims to be. */
export interface SequencedBatch {
  readonly producerId: number;
  readonly epoch: number;
  readonly firstSequence: number;
  readonly recordCount: number;
}

/** Sequences wrap from 2^31 − 1 to 0. */
export function sequenceAfter(sequence: number, count: number): number {
  return (sequence + count) % SEQUENCES;
}

/** The batch that was written before with the same sequences, or `undefined` when it is the next one. Throws INVALID_PRODUCER_EPOCH, UNKNOWN_PRODUCER_ID, OUT_OF_ORDER_SEQUENCE_NUMBER, DUPLICATE_SEQUENCE_NUMBER. */
export function duplicateOf(state: ProducerState | undefined, batch: SequencedBatch): ProducerBatch | undefined {
  const { producerId, epoch, firstSequence } = batch;
  const lastSequence = sequenceAfter(firstSequence, batch.recordCount - 1);
  if (state !== undefined && epoch < state.epoch)
    throw new LogError(
      'INVALID_PRODUCER_EPOCH',
      `producer ${producerId} has epoch ${state.epoch}; the batch carries the older ${epoch}`,
    );
  // Were it let in, an earlier batch of it that failed could never be written any more.
  if (state === undefined && firstSequence !== 0)
    throw new LogError(
      'UNKNOWN_PRODUCER_ID',
      `producer ${producerId} is not known (any more), and its batch begins with sequence ${firstSequence}; a new producer begins with 0`,
    );
  const previous = state?.epoch === epoch ? state.batches.at(-1) : undefined;
  const expected = previous === undefined ? 0 : sequenceAfter(previous.lastSequence, 1);
  if (firstSequence === expected) return undefined;
  if (state?.epoch === epoch) {
    const same = state.batches.find((b) => b.firstSequence === firstSequence && b.lastSequence === lastSequence);
    if (same !== undefined) return same;
    // Behind the expected sequence rather than ahead of it, on the circle of sequences.
    const behind = (expected - 1 - lastSequence + SEQUENCES) % SEQUENCES;
    const ahead = (firstSequence - expected + SEQUENCES) % SEQUENCES;
    if (behind < ahead)
      throw new LogError(
        'DUPLICATE_SEQUENCE_NUMBER',
        `sequences ${firstSequence} to ${lastSequence} of producer ${producerId} were written before, but not among its last ${REMEMBERED} batches`,
      );
  }
  throw new LogError(
    'OUT_OF_ORDER_SEQUENCE_NUMBER',
    `producer ${producerId} must go on with sequence ${expected}; the batch begins with ${firstSequence}`,
  );
}

/** The state once the batch is written at `baseOffset`. */
export function withBatch(
  state: ProducerState | undefined,
  batch: SequencedBatch,
  baseOffset: number,
  now: number,
): ProducerState {
  const earlier = state?.epoch === batch.epoch ? state.batches.slice(1 - REMEMBERED) : [];
  const lastSequence = sequenceAfter(batch.firstSequence, batch.recordCount - 1);
  return {
    epoch: batch.epoch,
    lastSeen: now,
    batches: [...earlier, { firstSequence: batch.firstSequence, lastSequence, baseOffset }],
  };
}

// epoch i16 · last seen f64 · then for each batch: first sequence i32 · last sequence i32 · base offset f64
const HEAD_BYTES = 10;
const BATCH_BYTES = 16;

export function encodeProducerState(state: ProducerState): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + state.batches.length * BATCH_BYTES);
  bytes.writeInt16BE(state.epoch, 0);
  bytes.writeDoubleBE(state.lastSeen, 2);
  state.batches.forEach((batch, index) => {
    const at = HEAD_BYTES + index * BATCH_BYTES;
    bytes.writeInt32BE(batch.firstSequence, at);
    bytes.writeInt32BE(batch.lastSequence, at + 4);
    bytes.writeDoubleBE(batch.baseOffset, at + 8);
  });
  return bytes;
}
export function decodeProducerState(bytes: Buffer): ProducerState {
  const batches: ProducerBatch[] = [];
  for (let at = HEAD_BYTES; at + BATCH_BYTES <= bytes.length; at += BATCH_BYTES)
    batches.push({
      firstSequence: bytes.readInt32BE(at),
      lastSequence: bytes.readInt32BE(at + 4),
      baseOffset: bytes.readDoubleBE(at + 8),
    });
  return { epoch: bytes.readInt16BE(0), lastSeen: bytes.readDoubleBE(2), batches };
}
