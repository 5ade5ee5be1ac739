// The topics that kafka.ts reads: made, filled by a producer of Kafka's protocol that is not ours, and removed. Knows nothing of readers.
import { Admin, Producer } from '@platformatic/kafka';

export interface Filling {
  readonly topic: string;
  readonly records: number;
  readonly valueBytes: number;
  readonly compression: 'none' | 'lz4';
}

/** What Kafka's own producer gathers into a batch unless told otherwise. */
const BATCH_BYTES = 16 * 1024;
const BATCHES_IN_FLIGHT = 32;
/** How many different values there are; more than fit into a batch. */
const VALUES = 1_024;

/** JSON of exactly that length, with numbers that differ: what lz4 makes about half of. */
function makeValue(index: number, bytes: number): Buffer {
  let seed = (index + 1) * 2_654_435_761;
  const number = (): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed;
  };
  let text = `{"id":${index},"host":"node-${number() % 64}"`;
  while (text.length < bytes) text += `,"cpu${number() % 8}":0.${number()}`;
  return Buffer.from(`${text.slice(0, bytes - 1)}}`);
}

export class Records {
  readonly #brokers: string[];
  readonly #admin: Admin;
  readonly #topics: string[] = [];

  constructor(bootstrap: string) {
    this.#brokers = bootstrap.split(',');
    this.#admin = new Admin({ clientId: 'bench', bootstrapBrokers: this.#brokers });
  }

  async create(topic: string): Promise<void> {
    await this.#admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 });
    this.#topics.push(topic);
  }

  async fill({ topic, records, valueBytes, compression }: Filling): Promise<void> {
    await this.create(topic);
    const producer = this.producer();
    const values = Array.from({ length: VALUES }, (_, index) => makeValue(index, valueBytes));
    const inBatch = Math.max(1, Math.floor(BATCH_BYTES / (valueBytes + 10)));
    let next = 0;
    const writer = async (): Promise<void> => {
      while (next < records) {
        const from = next;
        next = Math.min(records, from + inBatch);
        const messages = Array.from({ length: next - from }, (_, i) => ({
          topic,
          partition: 0,
          value: values[(from + i) % VALUES] ?? Buffer.alloc(0),
        }));
        await producer.send({ messages, compression });
      }
    };
    await Promise.all(Array.from({ length: BATCHES_IN_FLIGHT }, writer));
    await producer.close();
  }

  producer(): Producer<Buffer, Buffer, Buffer, Buffer> {
    return new Producer({
      clientId: 'bench',
      bootstrapBrokers: this.#brokers,
      acks: 1,
      maxInflights: BATCHES_IN_FLIGHT,
    });
  }

  async close(): Promise<void> {
    if (this.#topics.length > 0) await this.#admin.deleteTopics({ topics: this.#topics });
    await this.#admin.close();
  }
}
