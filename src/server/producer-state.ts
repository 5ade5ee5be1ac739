// What one partition remembers of one idempotent producer, and what it makes of its next batch. Pure; the same for every log of our own.
import { LogError } from '../protocol/index.ts';

export interface ProducerBatch {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
}
interface Written {
  readonly baseSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
}

/** As Kafka’s brokers: a producer may have five batches under way, so that many can come again. */
const REMEMBERED_BATCHES = 5;
const SEQUENCES = 2 ** 31;

export class ProducerState {
  #epoch = -1;
  #written: Written[] = [];

  /**
   * The base offset of the batch if it was written before; undefined: write it, then call `wrote`. A producer that is
   * not known may begin anywhere, since what was known of it may have expired. Throws INVALID_PRODUCER_EPOCH,
   * OUT_OF_ORDER_SEQUENCE_NUMBER, DUPLICATE_SEQUENCE_NUMBER.
   */
  check(batch: ProducerBatch): number | undefined {
    const { producerId, producerEpoch, baseSequence, recordCount } = batch;
    if (producerEpoch < this.#epoch) {
      throw new LogError(
        'INVALID_PRODUCER_EPOCH',
        `Producer ${producerId} has epoch ${this.#epoch}; epoch ${producerEpoch} is over.`,
      );
    }
    const last = this.#written.at(-1);
    if (last === undefined) return undefined;
    if (producerEpoch > this.#epoch) {
      if (baseSequence === 0) return undefined;
      throw outOfOrder(batch, 0);
    }
    const lastSequence = (baseSequence + recordCount - 1) % SEQUENCES;
    const again = this.#written.find((one) => one.baseSequence === baseSequence && one.lastSequence === lastSequence);
    if (again !== undefined) return again.baseOffset;
    const expected = (last.lastSequence + 1) % SEQUENCES;
    if (baseSequence === expected) return undefined;
    // Half the range behind counts as before, half of it ahead as a hole.
    if ((expected - baseSequence + SEQUENCES) % SEQUENCES <= SEQUENCES / 2) {
      throw new LogError(
        'DUPLICATE_SEQUENCE_NUMBER',
        `Producer ${producerId} sent sequence ${baseSequence} again, after ${last.lastSequence}.`,
      );
    }
    throw outOfOrder(batch, expected);
  }

  wrote(batch: ProducerBatch, baseOffset: number): void {
    const { producerEpoch, baseSequence, recordCount } = batch;
    if (producerEpoch > this.#epoch) this.#written = [];
    this.#epoch = producerEpoch;
    this.#written.push({ baseSequence, lastSequence: (baseSequence + recordCount - 1) % SEQUENCES, baseOffset });
    if (this.#written.length > REMEMBERED_BATCHES) this.#written.shift();
  }
}

function outOfOrder({ producerId, baseSequence }: ProducerBatch, expected: number): LogError {
  return new LogError(
    'OUT_OF_ORDER_SEQUENCE_NUMBER',
    `Producer ${producerId} sent sequence ${baseSequence} where ${expected} was to come.`,
  );
}
