// What a partition remembers of one idempotent producer, so that a batch sent twice is written once. Pure, the same for every log of our own; knows nothing of storage.
import { LogError } from '../protocol/index.ts';

/** What a batch's header says of its producer. */
export interface SequencedBatch {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
}
export interface WrittenBatch {
  readonly baseSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
}
export interface ProducerState {
  readonly epoch: number;
  /** Wall clock of the last batch, ms. */
  readonly lastSeen: number;
  /** Oldest first, at most five. */
  readonly batches: readonly WrittenBatch[];
}

/** As Kafka’s brokers: a producer may have five batches under way, so that many can come again. */
const REMEMBERED_BATCHES = 5;
const SEQUENCES = 2 ** 31;

/** Sequences wrap from 2^31 − 1 to 0. */
export function sequenceAfter(sequence: number, count: number): number {
  return (sequence + count) % SEQUENCES;
}

/**
 * The batch that was written before with the same sequences, or `undefined` when this is the next one to write. A producer that is not
 * known (any more) begins with sequence 0: were it let in anywhere, an earlier batch of it that failed would count as written.
 * Throws INVALID_PRODUCER_EPOCH, UNKNOWN_PRODUCER_ID, OUT_OF_ORDER_SEQUENCE_NUMBER, DUPLICATE_SEQUENCE_NUMBER.
 */
export function writtenBefore(state: ProducerState | undefined, batch: SequencedBatch): WrittenBatch | undefined {
  const { producerId, producerEpoch, baseSequence } = batch;
  if (state === undefined) {
    if (baseSequence === 0) return undefined;
    throw new LogError(
      'UNKNOWN_PRODUCER_ID',
      `Producer ${producerId} is not known (any more), and its batch begins with sequence ${baseSequence}; a new producer begins with 0.`,
    );
  }
  if (producerEpoch < state.epoch) {
    throw new LogError(
      'INVALID_PRODUCER_EPOCH',
      `Producer ${producerId} has epoch ${state.epoch}; the batch carries the older ${producerEpoch}.`,
    );
  }
  const last = producerEpoch === state.epoch ? state.batches.at(-1) : undefined;
  const expected = last === undefined ? 0 : sequenceAfter(last.lastSequence, 1);
  if (baseSequence === expected) return undefined;
  if (last !== undefined) {
    const lastSequence = sequenceAfter(baseSequence, batch.recordCount - 1);
    const same = state.batches.find((one) => one.baseSequence === baseSequence && one.lastSequence === lastSequence);
    if (same !== undefined) return same;
    // Behind the expected sequence rather than ahead of it, on the circle of sequences.
    const behind = (expected - 1 - lastSequence + SEQUENCES) % SEQUENCES;
    const ahead = (baseSequence - expected + SEQUENCES) % SEQUENCES;
    if (behind < ahead) {
      throw new LogError(
        'DUPLICATE_SEQUENCE_NUMBER',
        `Sequences ${baseSequence} to ${lastSequence} of producer ${producerId} were written before, but not among its last ${REMEMBERED_BATCHES} batches.`,
      );
    }
  }
  throw new LogError(
    'OUT_OF_ORDER_SEQUENCE_NUMBER',
    `Producer ${producerId} must go on with sequence ${expected}; the batch begins with ${baseSequence}.`,
  );
}

/** The state once the batch is written at `baseOffset`. */
export function afterWriting(
  state: ProducerState | undefined,
  { producerEpoch, baseSequence, recordCount }: SequencedBatch,
  baseOffset: number,
  now: number,
): ProducerState {
  const earlier = state?.epoch === producerEpoch ? state.batches.slice(1 - REMEMBERED_BATCHES) : [];
  const lastSequence = sequenceAfter(baseSequence, recordCount - 1);
  return { epoch: producerEpoch, lastSeen: now, batches: [...earlier, { baseSequence, lastSequence, baseOffset }] };
}
