// Conformance cases of the consumer: pipelines that work side by side while members come, go, fail and lose their connections. Data only; asserts by throwing.
import { EMPTY, from, mergeMap, tap } from 'rxjs';
import { acknowledge } from '../core/index.ts';
import { nameOf, partitionsOf } from './consumer-case-groups.ts';
import {
  assert,
  type ConsumerCase,
  consumerCase,
  equal,
  pause,
  range,
  type TextConsumer,
  until,
  type World,
} from './consumer-case-kit.ts';
import type { Wire } from './consumer-case-wire.ts';

const PARTITIONS = 4;
const RECORDS = 240;

/** What was done, and whether a commit ever ran ahead of it. */
class Journal {
  readonly done = new Map<string, Set<number>>();
  readonly ahead: string[] = [];
  finish(record: { topic: string; partition: number; offset: number }): void {
    const name = nameOf(record);
    const done = this.done.get(name) ?? new Set();
    this.done.set(name, done.add(record.offset));
  }
  watch(consumer: TextConsumer): void {
    consumer.events$.subscribe((event) => {
      if (event.type !== 'commit' || event.error !== undefined) return;
      for (const one of event.offsets) {
        const done = this.done.get(nameOf(one)) ?? new Set();
        const missing = range(one.offset).find((offset) => !done.has(offset));
        if (missing !== undefined) this.ahead.push(`${nameOf(one)} at ${one.offset} while ${missing} is not done`);
      }
    });
  }
  get count(): number {
    return [...this.done.values()].reduce((sum, { size }) => sum + size, 0);
  }
}

interface Worker {
  readonly wire: Wire;
  end(how: 'close' | 'break'): Promise<void>;
}
type Pipeline = (
  consumer: TextConsumer,
  work: (record: { topic: string; partition: number; offset: number }) => Promise<void>,
) => () => void;

/** Fails on one record in twenty: not acknowledged, left, and read again. */
const side16: Pipeline = (consumer, work) => {
  let stopped = false;
  let reading = { unsubscribe(): void {} };
  const start = (): void => {
    if (stopped) return;
    reading = consumer
      .stream({ manualAck: true, maxInFlight: 40 })
      .pipe(
        mergeMap((record) => from(work(record).then(() => record)), 16),
        acknowledge(consumer),
        tap({ error: () => undefined }),
        mergeMap(() => EMPTY),
      )
      .subscribe({ error: () => void pause(1).then(start) });
  };
  start();
  return () => {
    stopped = true;
    reading.unsubscribe();
  };
};
const eachOf: Pipeline = (consumer, work) => {
  const abort = new AbortController();
  const run = async (): Promise<void> => {
    while (!abort.signal.aborted && !consumer.metrics().closed) {
      await consumer.forEach(work, { concurrency: 8, signal: abort.signal }).catch(() => pause(1)); // It failed, or has to end.
    }
  };
  void run();
  return () => abort.abort();
};

async function chaos(world: World, pipeline: Pipeline): Promise<void> {
  await world.topic('t', PARTITIONS);
  const journal = new Journal();
  let failures = 0;
  const start = async (): Promise<Worker> => {
    const wire = await world.wire();
    const consumer = world.consumer({
      ...wire.config,
      groupId: 'g',
      sessionTimeoutMs: 600,
      autoCommitIntervalMs: 5,
      maxPollRecords: 20,
    });
    journal.watch(consumer);
    await consumer.subscribe('t');
    const stop = pipeline(consumer, async (record) => {
      await pause(Math.random() * 4);
      if (Math.random() < 0.05) {
        failures++;
        throw new Error('work fails');
      }
      journal.finish(record);
    });
    return {
      wire,
      async end(how) {
        if (how === 'break') wire.break();
        if (how === 'close') await consumer.close({ timeoutMs: 2_000 });
        stop();
      },
    };
  };
  const workers = [await start(), await start()];
  for (let i = 0; i < 12; i++) {
    const share = RECORDS / 12;
    await world.produce(
      't',
      range(share, i * share).map((n) => ({ value: `${n}`, partition: n % PARTITIONS })),
    );
    const [victim] = workers;
    assert(victim !== undefined, 'there is always a worker');
    if (i % 3 === 0) victim.wire.cut();
    if (i % 4 === 1) workers.push(await start());
    if (i % 4 === 3) await workers.shift()?.end(i === 7 ? 'break' : 'close');
    await pause(20);
  }
  const committed = async (): Promise<string> => {
    const { offsets } = await world.admin.describeGroup('g');
    return offsets
      .map((one) => `${nameOf(one)} ${one.committed}`)
      .sort()
      .join();
  };
  const expected = partitionsOf('t', PARTITIONS).map((name) => `${name} ${RECORDS / PARTITIONS}`);
  await until('all is done and committed', async () => (await committed()) === expected.join());
  equal(journal.count, RECORDS, 'records done');
  assert(failures > 0, 'no work failed');
  for (const worker of workers) await worker.end('close');
  equal(journal.ahead, [], 'commits ahead of what was done');
  equal(await committed(), expected.join(), 'committed in the end');
  await until('no member is left', async () => (await world.admin.describeGroup('g')).members.length === 0);
}

export const chaosCases: readonly ConsumerCase[] = [
  consumerCase(
    ['polling-38', 'promise-1', 'polling-31'],
    'mergeMap(work, 16) with acknowledge(): at least once, and no commit ahead, while work fails, members come, go and die, and sockets drop',
    (world) => chaos(world, side16),
  ),
  consumerCase(
    ['polling-38', 'promise-1', 'polling-36'],
    'forEach at concurrency 8: at least once, and no commit ahead, while work fails, members come, go and die, and sockets drop',
    (world) => chaos(world, eachOf),
  ),
];
