import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Producer, type RecordMetadata } from 'distributedlog/core';
import { LogError, RecordReader, readBatchHeader } from 'distributedlog/protocol';
import {
  type AppendResult,
  createServerSession,
  DEFAULT_LIMITS,
  type Log,
  type PartitionRef,
  type ServerSession,
} from 'distributedlog/server';
import { ManualClock, type MemorySocket, memoryTransport } from 'distributedlog/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EmbeddedLog } from './embedded-log.ts';
import { openInDirectory } from './open.ts';

const TOPIC = 'orders';
/** Longer than any record may be on its way: a log that forgets a producer in the middle of a retry could not know the batch again. */
const PRODUCER_EXPIRY_MS = 60_000;
const DELIVERY_TIMEOUT_MS = 50_000;
const REQUEST_TIMEOUT_MS = 500;
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** What becomes of one append: written and answered; refused, as it is or with its producer; written but the answer says that it failed; written when nobody waits for it any more; not written or written, with the connection cut. */
const FATES = ['ok', 'refused', 'fenced', 'hidden', 'late', 'cutBefore', 'cutAfter'] as const;
type Fate = (typeof FATES)[number];

/** What one topic held before it was deleted, or holds at the end: value by offset. */
type Contents = string[];

/** A gateway on the embedded log that loses what it is told to lose. */
class Faults {
  readonly clock = new ManualClock();
  readonly dir = mkdtempSync(join(tmpdir(), 'dlog-producer-'));
  readonly fates: Fate[] = [];
  readonly past: Contents[] = [];
  readonly transport;
  #log: EmbeddedLog | undefined;
  /** While set, appends wait. */
  #gate: Promise<void> | undefined;
  readonly #appends = new Set<Promise<AppendResult>>();

  constructor() {
    const sessions = new Map<MemorySocket, ServerSession>();
    this.transport = memoryTransport({
      clock: this.clock,
      latencyMs: 3,
      accept: (socket) => {
        const session = createServerSession({
          socket,
          log: this.#faulty(this.log),
          clock: this.clock,
          random: Math.random,
          limits: DEFAULT_LIMITS,
          server: { name: 'test', version: '1' },
          logger: silent,
        });
        sessions.set(socket, session);
        return {
          onFrame: (frame) => (typeof frame === 'string' ? session.onText(frame) : session.onBinary(frame)),
          onClose: () => {
            sessions.delete(socket);
            session.onClosed();
          },
        };
      },
    });
  }

  get log(): EmbeddedLog {
    if (this.#log === undefined) throw new LogError('BROKER_NOT_AVAILABLE', 'it restarts');
    return this.#log;
  }

  #faulty(log: EmbeddedLog): Log {
    return new Proxy<Log>(log, {
      get: (target, key) => {
        if (key === 'append') return (ref: PartitionRef, batch: Uint8Array) => this.#append(log, ref, batch);
        const value: unknown = Reflect.get(target, key);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }
  async #append(log: EmbeddedLog, ref: PartitionRef, batch: Uint8Array): Promise<AppendResult> {
    const fate = this.fates.shift() ?? 'ok';
    // A frame handed to the session is not ours: the log stamps what it is given, and it may come again.
    const bytes = batch.slice();
    while (this.#gate !== undefined) await this.#gate;
    if (fate === 'refused') throw new LogError('THROTTLING_QUOTA_EXCEEDED', 'as told');
    if (fate === 'fenced') throw new LogError('INVALID_PRODUCER_EPOCH', 'as told');
    if (fate === 'late') await new Promise<void>((resolve) => this.clock.after(REQUEST_TIMEOUT_MS + 20, resolve));
    if (fate === 'cutBefore') {
      this.cut();
      throw new LogError('KAFKA_STORAGE_ERROR', 'as told');
    }
    const appended = log.append(ref, bytes);
    this.#appends.add(appended);
    const result = await appended.finally(() => this.#appends.delete(appended));
    if (fate === 'hidden') throw new LogError('KAFKA_STORAGE_ERROR', 'as told');
    if (fate === 'cutAfter') this.cut();
    return result;
  }

  async open(): Promise<void> {
    this.#log = await openInDirectory(
      { dir: this.dir },
      { clock: this.clock, random: Math.random, producerExpiryMs: PRODUCER_EXPIRY_MS },
    );
  }
  cut(): void {
    for (const socket of this.transport.sockets) socket.terminate();
  }
  async restart(): Promise<void> {
    const { log } = this;
    this.transport.refuseDials(true);
    this.#log = undefined;
    this.cut();
    await log.close();
    await this.open();
    this.transport.refuseDials(false);
  }
  async recreateTopic(): Promise<void> {
    let open = (): void => undefined;
    this.#gate = new Promise((resolve) => {
      open = resolve;
    });
    // What was handed to the log before is written; what comes now waits.
    await Promise.allSettled(this.#appends);
    this.past.push(await this.contents());
    await this.log.deleteTopic(TOPIC);
    await this.log.createTopic({ name: TOPIC });
    this.#gate = undefined;
    open();
  }
  /** The clock stands nearly still while the disk works: how fast that is, is not what is tested. */
  async run(turns: number): Promise<void> {
    for (let i = 0; i < turns; i++) {
      await turn();
      if (this.#appends.size === 0 || i % 100 === 0) this.clock.advance(2);
    }
  }
  async forgetProducers(): Promise<void> {
    this.clock.advance(PRODUCER_EXPIRY_MS + 1);
    await this.log.maintain();
  }
  async contents(): Promise<Contents> {
    const [topic] = await this.log.topics([TOPIC]);
    const values: Contents = [];
    for (let offset = 0; topic !== undefined; ) {
      const { buffer, batchBytes, nextOffset } = await this.log.read({
        topicId: topic.topicId,
        partition: 0,
        offset,
        isolation: 'read_uncommitted',
        maxBytes: 1024 * 1024,
        minBytes: 0,
        maxWaitMs: 0,
        headroom: 0,
      });
      if (nextOffset === offset) break;
      for (let at = 0; at < batchBytes; ) {
        const header = readBatchHeader(buffer, at);
        if (header === undefined) break;
        const reader = new RecordReader(TOPIC, 0, buffer, at, header);
        for (let record = reader.next(0); record !== undefined; record = reader.next(0))
          values[record.offset] = Buffer.from(record.value ?? []).toString();
        at += header.sizeInBytes;
      }
      offset = nextOffset;
    }
    return values;
  }
  async close(): Promise<void> {
    await this.#log?.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

type Step =
  | { readonly do: 'send'; readonly count: number }
  | { readonly do: 'run'; readonly turns: number }
  | { readonly do: 'cut' | 'restart' | 'recreate' | 'forget' };

const sendOrRun: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('send' as const), count: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('run' as const), turns: fc.integer({ min: 1, max: 60 }) }) },
);
const kindStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: sendOrRun },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('cut' as const, 'restart' as const) }) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: kindStep },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('recreate' as const, 'forget' as const) }) },
);
const kindFate = fc.constantFrom(...FATES.filter((fate) => fate !== 'fenced'), 'ok' as const, 'ok' as const);
const fate = fc.constantFrom(...FATES, 'ok' as const, 'ok' as const);
const steps = { minLength: 3, maxLength: 25, size: 'max' } as const;
const fates = { maxLength: 40, size: 'max' } as const;

async function history(steps: readonly Step[], fates: readonly Fate[]): Promise<void> {
  const faults = new Faults();
  await faults.open();
  await faults.log.createTopic({ name: TOPIC });
  faults.fates.push(...fates);
  const { clock } = faults;
  const producer = new Producer({
    transport: faults.transport,
    lingerMs: 0,
    batchBytes: 300,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    reconnectBackoffMs: 1,
    deliveryTimeoutMs: DELIVERY_TIMEOUT_MS,
    clock,
  });
  const outcomes = new Map<number, RecordMetadata | LogError>();
  let sent = 0;
  try {
    for (const each of steps) {
      if (each.do === 'send')
        for (let i = 0; i < each.count; i++) {
          const number = sent++;
          producer.send({ topic: TOPIC, value: `${number}` }).then(
            (metadata) => outcomes.set(number, metadata),
            (error: unknown) => outcomes.set(number, LogError.from(error)),
          );
        }
      else if (each.do === 'run') await faults.run(each.turns);
      else if (each.do === 'cut') faults.cut();
      else if (each.do === 'restart') await faults.restart();
      else if (each.do === 'recreate') await faults.recreateTopic();
      else await faults.forgetProducers();
    }
    while (outcomes.size < sent) await faults.run(101);
    expect(outcomes.size).toBe(sent);
    // While the log knows producer and topic, every loss is mended.
    if (!steps.some((each) => each.do === 'recreate' || each.do === 'forget') && !fates.includes('fenced'))
      expect([...outcomes.values()].filter((outcome) => outcome instanceof LogError)).toEqual([]);
    const lives = [...faults.past, await faults.contents()];
    for (const values of lives) expect([...new Set(values)]).toEqual(values);
    const last = lives.map(() => -1);
    for (const [number, outcome] of [...outcomes].sort(([a], [b]) => a - b)) {
      if (outcome instanceof LogError) continue;
      const life = lives.findLastIndex((values) => values[outcome.offset] === `${number}`);
      expect({ number, offset: outcome.offset, life }).not.toMatchObject({ life: -1 });
      expect(outcome.offset).toBeGreaterThan(last[life] ?? Number.POSITIVE_INFINITY);
      last[life] = outcome.offset;
    }
  } finally {
    let closed = false;
    void producer
      .close({ timeoutMs: 0 })
      .catch(() => undefined)
      .then(() => {
        closed = true;
      });
    while (!closed) await faults.run(10);
    await faults.close();
  }
}

describe('a producer on the embedded log', () => {
  it('has what it resolved in the log once, where it said and in order, and what it rejected at most once, whatever is lost', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.array(step, steps), fc.array(kindStep, steps)),
        fc.oneof(fc.array(fate, fates), fc.array(kindFate, fates)),
        history,
      ),
      { numRuns: 40, interruptAfterTimeLimit: 60_000 },
    );
  }, 120_000);
});
