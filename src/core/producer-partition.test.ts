import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BatchHeader, type ErrorCode, LogError, RecordReader, readBatchHeader } from '../protocol/index.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import type { RecordMetadata } from './producer-config.ts';
import { type PartitionOptions, PartitionSender } from './producer-partition.ts';
import type { Entry } from './producer-record.ts';

/** One attempt's fate: see Network. */
type Fate = 'ok' | 'lost' | 'ackLost' | 'late' | 'silent' | ErrorCode;

/** A log that keeps what Kafka keeps of a producer: its next number and its last five batches. */
class ModelLog {
  readonly values: string[] = [];
  #producers = new Map<number, { next: number; last: { base: number; offset: number }[] }>();
  #ids = 0;

  newId() {
    return { producerId: ++this.#ids, producerEpoch: 0 };
  }
  forgetProducers(): void {
    this.#producers.clear();
  }
  append(bytes: Uint8Array): number {
    const header = readBatchHeader(bytes, 0);
    if (header === undefined) throw new Error('not a batch');
    const { producerId, baseSequence, recordCount } = header;
    const known = this.#producers.get(producerId) ?? { next: 0, last: [] };
    if (known.next === 0 && baseSequence !== 0) throw new LogError('UNKNOWN_PRODUCER_ID', 'who is that?');
    const before = known.last.find(({ base }) => base === baseSequence);
    if (before !== undefined) return before.offset;
    if (baseSequence !== known.next) {
      throw new LogError('OUT_OF_ORDER_SEQUENCE_NUMBER', `expected ${known.next}, got ${baseSequence}`);
    }
    const offset = this.values.length;
    // Decompressing takes real time, which no manual clock knows: there, only the numbering is looked at.
    this.values.push(
      ...(header.compression === 'none' ? valuesOf(bytes, header) : Array<string>(recordCount).fill('?')),
    );
    this.#producers.set(producerId, {
      next: baseSequence + recordCount,
      last: [...known.last, { base: baseSequence, offset }].slice(-5),
    });
    return offset;
  }
}

function valuesOf(bytes: Uint8Array, header: BatchHeader): string[] {
  const reader = new RecordReader('t', 0, bytes, 0, header);
  const values: string[] = [];
  for (let record = reader.next(0); record !== undefined; record = reader.next(record.offset + 1)) {
    values.push(new TextDecoder().decode(record.value ?? undefined));
  }
  return values;
}

/** A connection to the model log that treats each attempt as told: 'lost' and 'ackLost' drop it before or after the write, 'late' after a drop writes when told, 'silent' writes and never answers. */
class Network {
  readonly clock = new ManualClock();
  readonly log = new ModelLog();
  readonly fates: Fate[] = [];
  readonly sent: Uint8Array[] = [];
  topicId = 'id-1';
  live = true;
  flushing = false;
  sender: PartitionSender;
  #late: Uint8Array[] = [];
  #pending = new Set<(error: LogError) => void>();

  constructor(options: Partial<PartitionOptions> = {}) {
    this.sender = new PartitionSender(
      't',
      0,
      this.topicId,
      {
        clock: this.clock,
        random: () => 0.5,
        isLive: () => this.live,
        isFlushing: () => this.flushing,
        identity: async () => this.log.newId(),
        produce: (topicId, _partition, batch, timeoutMs) => this.#produce(topicId, batch, timeoutMs),
        refreshTopicId: async () => this.topicId,
      },
      { batchBytes: 120, lingerMs: 0, compression: 'none', requestTimeoutMs: 1_000, ...options },
    );
  }

  #produce(
    topicId: string,
    batch: Uint8Array,
    timeoutMs: number,
  ): Promise<{ baseOffset: number; logAppendTime: number }> {
    return new Promise((resolve, reject) => {
      this.sent.push(batch);
      const cancel = this.clock.after(timeoutMs, () => settle(() => reject(new LogError('TIMED_OUT', 'no answer'))));
      const fail = (error: LogError) => settle(() => reject(error));
      const settle = (how: () => void) => {
        cancel();
        this.#pending.delete(fail);
        how();
      };
      this.#pending.add(fail);
      // The far end acts a millisecond later, in the order of sending.
      this.clock.after(1, () => {
        if (!this.#pending.has(fail)) return;
        const fate = this.fates.shift() ?? 'ok';
        try {
          switch (fate) {
            case 'lost':
              return this.drop();
            case 'late':
              this.#late.push(batch);
              return this.drop();
            case 'ackLost':
              this.log.append(batch.slice());
              return this.drop();
            case 'silent':
              this.log.append(batch.slice());
              return;
            case 'ok': {
              if (topicId !== this.topicId) throw new LogError('UNKNOWN_TOPIC_ID', 'created anew');
              const baseOffset = this.log.append(batch.slice());
              return settle(() => resolve({ baseOffset, logAppendTime: -1 }));
            }
            default:
              throw new LogError(fate, 'as told');
          }
        } catch (error) {
          fail(LogError.from(error));
        }
      });
    });
  }

  drop(): void {
    if (!this.live) return;
    this.live = false;
    for (const fail of [...this.#pending]) fail(new LogError('NETWORK_EXCEPTION', 'dropped'));
    this.clock.after(50, () => {
      this.live = true;
      this.sender.onLive();
    });
  }
  /** What a dropped connection still had on its way arrives now. */
  deliverLate(): void {
    for (const batch of this.#late.splice(0)) {
      try {
        this.log.append(batch.slice());
      } catch (error) {
        expect(error).toBeInstanceOf(LogError);
      }
    }
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

class Application {
  readonly network: Network;
  readonly outcomes = new Map<string, RecordMetadata | LogError>();
  readonly order: string[] = [];

  constructor(options?: Partial<PartitionOptions>) {
    this.network = new Network(options);
  }
  send(value: string, deliveryTimeoutMs = 120_000, size = 50): Entry {
    this.order.push(value);
    const done = (outcome: RecordMetadata | LogError) => {
      expect(this.outcomes.has(value)).toBe(false);
      this.outcomes.set(value, outcome);
    };
    const now = this.network.clock.now();
    const entry: Entry = {
      topic: 't',
      partition: undefined,
      record: { key: null, value: new TextEncoder().encode(value), timestamp: now },
      size,
      deadline: now + deliveryTimeoutMs,
      resolve: done,
      reject: done,
    };
    this.network.sender.append(entry);
    return entry;
  }
  async run(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10) {
      await turn();
      this.network.clock.advance(Math.min(10, left));
    }
    await turn();
  }
  codes(): unknown[] {
    return this.order.map((value) => {
      const outcome = this.outcomes.get(value);
      return outcome instanceof LogError ? outcome.code : outcome?.offset;
    });
  }
}

describe('PartitionSender', () => {
  it('puts what is sent in one turn into one batch when there is no linger', async () => {
    const app = new Application({ batchBytes: 1_000 });
    for (const value of ['a', 'b', 'c']) app.send(value);
    await app.run(10);
    expect(app.codes()).toEqual([0, 1, 2]);
    expect(app.network.sent).toHaveLength(1);
  });
  it('waits for the linger, and sends a full batch at once', async () => {
    const app = new Application({ batchBytes: 1_000, lingerMs: 100 });
    app.send('a');
    await app.run(90);
    expect(app.network.sent).toHaveLength(0);
    await app.run(20);
    expect(app.network.sent).toHaveLength(1);
    app.send('b', 120_000, 990);
    app.send('c', 120_000, 990);
    await app.run(10);
    expect(app.network.sent).toHaveLength(2);
    app.network.flushing = true;
    app.network.sender.onFlush();
    await app.run(10);
    expect(app.codes()).toEqual([0, 1, 2]);
  });
  it('has at most five batches in flight and gathers larger ones meanwhile', async () => {
    const app = new Application({ batchBytes: 120 });
    app.send('first');
    await app.run(10);
    for (let i = 0; i < 20; i++) app.send(`${i}`, 120_000, 100);
    await turn();
    expect(app.network.sent).toHaveLength(6);
    await app.run(50);
    expect(app.codes()).toEqual([...Array(21).keys()]);
  });
  it('sends the very same bytes again after a lost acknowledgement, which writes nothing twice', async () => {
    const app = new Application();
    app.network.fates.push('ackLost');
    app.send('a');
    await app.run(500);
    expect(app.codes()).toEqual([0]);
    expect(app.network.log.values).toEqual(['a']);
    expect(app.network.sent).toHaveLength(2);
    expect(app.network.sent[1]).toEqual(app.network.sent[0]);
  });
  it('keeps the order when the first of several batches in flight fails', async () => {
    const app = new Application({ batchBytes: 50 });
    app.network.fates.push('KAFKA_STORAGE_ERROR');
    for (const value of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) app.send(value);
    await app.run(1_000);
    expect(app.network.log.values).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
    expect(app.codes()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });
  it('fails only the batch that can never be written, and goes on with the rest in order', async () => {
    const app = new Application({ batchBytes: 50 });
    app.network.fates.push('ok', 'INVALID_TIMESTAMP');
    for (const value of ['a', 'b', 'c', 'd']) app.send(value);
    await app.run(2_000);
    expect(app.codes()).toEqual([0, 'INVALID_TIMESTAMP', 1, 2]);
  });
  it('takes a new producer id when the log has forgotten the old one and nothing is in doubt', async () => {
    const app = new Application();
    app.send('a');
    await app.run(50);
    app.network.log.forgetProducers();
    app.send('b');
    await app.run(500);
    expect(app.codes()).toEqual([0, 1]);
  });
  it('fails what may have been written when the log has forgotten the producer', async () => {
    const app = new Application({ batchBytes: 50 });
    app.send('a');
    await app.run(50);
    app.network.fates.push('ackLost');
    app.send('b');
    await app.run(10);
    app.network.log.forgetProducers();
    app.send('c');
    await app.run(2_000);
    expect(app.codes()).toEqual([0, 'UNKNOWN_PRODUCER_ID', 2]);
    expect(app.network.log.values).toEqual(['a', 'b', 'c']);
  });
  it('follows a topic that was created anew', async () => {
    const app = new Application();
    app.send('a');
    await app.run(50);
    app.network.topicId = 'id-2';
    app.network.log.forgetProducers();
    app.send('b');
    await app.run(500);
    expect(app.codes()).toEqual([0, 1]);
  });
  it('sends nothing while the connection is down, and fails what is too late, saying that it was not sent', async () => {
    const app = new Application();
    app.network.live = false;
    app.send('a', 500);
    await app.run(400);
    expect(app.network.sent).toHaveLength(0);
    app.network.clock.advance(100);
    app.network.sender.expire(app.network.clock.now());
    expect(app.outcomes.get('a')).toMatchObject({ code: 'TIMED_OUT', message: expect.stringContaining('not sent') });
  });
  it('says of a batch without an answer that it may have been written', async () => {
    const app = new Application();
    app.network.fates.push('silent');
    app.send('a', 500);
    await app.run(600);
    expect(app.outcomes.get('a')).toMatchObject({
      code: 'TIMED_OUT',
      message: expect.stringContaining('may or may not'),
    });
    app.send('b');
    await app.run(2_000);
    expect(app.outcomes.get('b')).toMatchObject({ offset: 1 });
  });
  it('sends the first batch under a producer id alone, since a lenient log would begin with whatever comes first', async () => {
    const app = new Application({ batchBytes: 50 });
    for (let i = 0; i < 4; i++) app.send(`${i}`);
    await turn();
    expect(app.network.sent).toHaveLength(1);
    app.network.fates.push('THROTTLING_QUOTA_EXCEEDED');
    await app.run(500);
    expect(app.codes()).toEqual([0, 1, 2, 3]);
  });
  it('begins no batch that could make the log forget an older one that is in doubt', async () => {
    const app = new Application({ batchBytes: 50 });
    app.send('first');
    await app.run(10);
    app.network.fates.push('silent');
    for (let i = 0; i < 12; i++) app.send(`${i}`);
    await app.run(900);
    // The first has not been answered; the four behind it have.
    expect(app.outcomes.size).toBe(5);
    expect(app.network.sent).toHaveLength(6);
    await app.run(1_000);
    expect(app.codes()).toEqual([...Array(13).keys()]);
  });
  it('never takes a batch for written that the log cannot find, and goes on under another id', async () => {
    const app = new Application({ batchBytes: 50 });
    app.network.fates.push('DUPLICATE_SEQUENCE_NUMBER');
    app.send('a');
    app.send('b');
    await app.run(500);
    expect(app.codes()).toEqual(['DUPLICATE_SEQUENCE_NUMBER', 0]);
    expect(app.outcomes.get('a')).toMatchObject({ message: expect.stringContaining('may or may not') });
    const [first, second] = app.network.sent.map((bytes) => readBatchHeader(bytes, 0)?.producerId);
    expect(second).not.toBe(first);
  });
  it('takes back an entry that was not sent', async () => {
    const app = new Application({ lingerMs: 100, batchBytes: 1_000 });
    const first = app.send('a');
    app.send('b');
    expect(app.network.sender.withdraw(first)).toBe(true);
    await app.run(200);
    expect(app.network.log.values).toEqual(['b']);
    expect(app.network.sender.withdraw(first)).toBe(false);
  });
  it('fails everything once it is closed', async () => {
    const app = new Application({ batchBytes: 50 });
    for (let i = 0; i < 8; i++) app.send(`${i}`);
    await turn();
    app.network.sender.fail(new LogError('CLOSED', 'closed'));
    app.send('late');
    expect(new Set(app.codes())).toEqual(new Set(['CLOSED']));
  });
  it('sends compressed batches in order', async () => {
    const app = new Application({ batchBytes: 5_000, compression: 'gzip' });
    const values = Array.from({ length: 12 }, (_, i) => `${i}${'x'.repeat(3_000)}`);
    for (const value of values) app.send(value, 120_000, 3_050);
    // Compressing takes real time; the clock goes no faster, so that nothing times out on a busy machine.
    while (app.outcomes.size < 12) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await app.run(1);
    }
    expect(app.codes()).toEqual([...Array(12).keys()]);
    const sizes = app.network.sent.map((batch) => batch.length);
    expect(Math.max(...sizes)).toBeLessThan(500);
  });

  it('never writes a record twice, never reorders, and settles every record, whatever the network does', async () => {
    const fate = fc.oneof(
      { weight: 6, arbitrary: fc.constant<Fate>('ok') },
      {
        weight: 4,
        arbitrary: fc.constantFrom<Fate>(
          'lost',
          'ackLost',
          'late',
          'silent',
          'KAFKA_STORAGE_ERROR',
          'INVALID_TIMESTAMP',
        ),
      },
      { weight: 1, arbitrary: fc.constantFrom<Fate>('NOT_LEADER_OR_FOLLOWER', 'INVALID_PRODUCER_EPOCH') },
    );
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({ do: fc.constant('send' as const), deadline: fc.integer({ min: 300, max: 5_000 }) }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('run' as const), ms: fc.integer({ min: 1, max: 200 }) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('drop' as const, 'late' as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fate, { maxLength: 40, size: 'max' }),
        fc.array(step, { maxLength: 60, size: 'max' }),
        async (fates, steps) => {
          const app = new Application({ batchBytes: 110 });
          const { network } = app;
          network.fates.push(...fates);
          let sent = 0;
          for (const each of steps) {
            if (each.do === 'send') app.send(`${sent++}`, each.deadline);
            else if (each.do === 'run') await app.run(each.ms);
            else if (each.do === 'drop') network.drop();
            else network.deliverLate();
            network.sender.expire(network.clock.now());
          }
          for (let i = 0; i < 20 && app.outcomes.size < sent; i++) {
            await app.run(500);
            network.sender.expire(network.clock.now());
          }
          network.deliverLate();
          const { values } = network.log;
          expect(app.outcomes.size).toBe(sent);
          expect(new Set(values).size).toBe(values.length);
          let last = -1;
          for (const value of app.order) {
            const outcome = app.outcomes.get(value);
            if (outcome instanceof LogError) {
              if (!/may or may not/.test(outcome.message) && outcome.code === 'TIMED_OUT')
                expect(values).not.toContain(value);
              continue;
            }
            expect(values[outcome?.offset ?? -1]).toBe(value);
            expect(outcome?.offset).toBeGreaterThan(last);
            last = outcome?.offset ?? last;
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
