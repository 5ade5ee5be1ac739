// The steps of the model's runs, as fast-check makes, shrinks and prints them. Knows nothing of what must hold.
import fc from 'fast-check';
import { type Step, World, type WorldOptions } from './model-world.test-support.ts';

type Act = (world: World) => void | Promise<void>;

const place = fc.nat({ max: 3 });
const share = fc.nat({ max: 99 });
const step = (text: string, run: Act): Step & { [fc.toStringMethod](): string } => ({
  text,
  run,
  [fc.toStringMethod]: () => text,
});
/** One of a list that grows and shrinks. */
const pick = (from: readonly string[], at: number): string | undefined => from[at % Math.max(1, from.length)];

const join = fc
  .record({
    place,
    topics: fc.constantFrom(['a', 'b'], ['a'], 'every topic'),
    assigns: fc.constantFrom(false, false, true),
    reads: fc.constantFrom('calls', 'calls', 'acks'),
    autoCommit: fc.boolean(),
    fixed: fc.constantFrom(false, false, true),
    assignor: fc.constantFrom('uniform', 'range'),
    maxBufferedBytes: fc.constantFrom(1_024, 2_048, 4_096),
    maxPollRecords: fc.constantFrom(2, 5, 50),
    maxPollIntervalMs: fc.constantFrom(15_000, 60_000),
  })
  .map(({ place: at, topics, ...config }) =>
    step(`join ${at} ${JSON.stringify({ topics, ...config })}`, (world) =>
      world.join(at, { topics: typeof topics === 'string' ? /.*/ : topics, ...config }),
    ),
  );
const read = fc
  .tuple(place, fc.integer({ min: 1, max: 20 }), fc.constantFrom('poll', 'poll', 'iterator'))
  .map(([at, max, how]) => step(`${at} reads up to ${max} (${how})`, (world) => world.read(at, max, how)));
const ofPartition = (
  name: string,
  act: (world: World, at: number, key: string, where: number) => void | Promise<void>,
) =>
  fc.tuple(place, fc.nat({ max: 5 }), share).map(([at, index, where]) =>
    step(`${at} ${name} (partition ${index}, ${where} %)`, (world) => {
      const key = pick(world.at(at)?.assigned ?? [], index);
      return key === undefined ? undefined : act(world, at, key, where);
    }),
  );
const within = (world: World, key: string, where: number): number => Math.round((world.log.end(key) * where) / 99);
const seek = ofPartition('seeks', (world, at, key, where) => world.at(at)?.seek(key, within(world, key, where)));
const seekToBeginning = ofPartition('seeks to the beginning', (world, at, key) => world.at(at)?.seekToBeginning(key));
const pause = ofPartition('pauses', (world, at, key) => world.at(at)?.pause(key, true));
const resume = ofPartition('resumes', (world, at, key) => world.at(at)?.pause(key, false));
const commitAt = ofPartition('commits by hand', (world, at, key, where) => {
  const member = world.at(at);
  if (member !== undefined && member.group.groupId !== undefined) {
    world.behind(member.commitAt(key, within(world, key, where)));
  }
});
const ofMember = (name: string, act: (world: World, at: number) => void) =>
  place.map((at) => step(`${at} ${name}`, (world) => act(world, at)));
const commit = ofMember('commits its positions', (world, at) => {
  const member = world.at(at);
  if (member !== undefined && member.group.groupId !== undefined) world.behind(member.commit());
});
const restart = ofMember('reads its stream anew', (world, at) => world.at(at)?.restartStream());
const leave = fc.tuple(place, fc.nat({ max: 3 })).map(([at, chance]) =>
  step(`${at} closes${chance === 0 ? ', and stays in its group' : ''}`, (world) => {
    const member = world.at(at);
    if (member !== undefined) world.behind(member.close(chance > 0));
  }),
);
const expire = place.map((at) => step(`the session of ${at} ends`, (world) => world.disturb('expire', at)));
const rebalance = place.map((at) => step(`a rebalance is forced (${at})`, (world) => world.disturb('rebalance', at)));
const crash = fc.tuple(place, fc.boolean()).map(([at, cut]) =>
  step(`${at} crashes${cut ? '' : ', and no socket says so'}`, (world) => {
    const member = world.at(at);
    if (member !== undefined) world.behind(member.crash(cut));
  }),
);
const drop = ofMember('is cut off', (world, at) => world.at(at)?.cut());
const refuse = fc.tuple(place, fc.boolean()).map(([at, on]) =>
  step(`${at} ${on ? 'is cut off, and refused when it dials' : 'may dial again'}`, (world) => {
    world.at(at)?.refuse(on);
  }),
);
const stall = fc
  .tuple(place, fc.boolean())
  .map(([at, on]) => step(`the link of ${at} ${on ? 'stalls' : 'moves again'}`, (world) => world.at(at)?.hold(on)));
/** What a lease is for: nobody has said that anything is wrong. */
const deaf = fc.tuple(place, fc.integer({ min: 1, max: 12_000 })).map(([at, ms]) =>
  step(`${at} hears nothing for ${ms} ms, then reads up to 5`, async (world) => {
    const member = world.at(at);
    if (member === undefined) return;
    member.hold(true);
    await world.clock.tick(ms);
    await world.read(at, 5, 'poll');
  }),
);
const produce = fc.tuple(fc.nat({ max: 5 }), fc.integer({ min: 1, max: 12 })).map(([index, count]) =>
  step(`${count} records to partition ${index}`, async (world) => {
    const key = pick(world.log.keys, index);
    if (key !== undefined) await world.log.produce(key, count);
  }),
);
const retain = fc.constant(step('retention', (world) => world.log.gateway.log.retain()));
const newTopic = fc.constantFrom('n1', 'n2').map((name) =>
  step(`topic ${name} is created`, async (world) => {
    if (!world.log.has(name)) await world.log.addTopic(name, 2);
  }),
);
const tick = fc
  .oneof(
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 2_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: 2_000, max: 20_000 }) },
  )
  .map((ms) => step(`${ms} ms pass`, (world) => world.clock.tick(ms)));

/** Now and then the next step begins before this one has had its effect. */
const weighted = (weights: readonly (readonly [number, fc.Arbitrary<Step>])[]) =>
  fc
    .tuple(fc.oneof(...weights.map(([weight, arbitrary]) => ({ weight, arbitrary }))), fc.nat({ max: 3 }))
    .map(([one, chance]) => (chance === 3 ? { ...step(`${one.text}, and at once`, one.run), atOnce: true } : one));
const reading = [
  [4, join],
  [10, read],
  [1, restart],
  [2, seek],
  [1, seekToBeginning],
  [2, pause],
  [2, resume],
  [2, leave],
  [3, drop],
  [2, refuse],
  [6, produce],
  [2, retain],
  [1, newTopic],
  [6, tick],
] as const;

/** Consumers that share a group. */
export const groupSteps = weighted([
  ...reading,
  [3, commit],
  [1, commitAt],
  [2, crash],
  [1, stall],
  [2, deaf],
  [1, expire],
  [1, rebalance],
]);
/** Consumers that read alone. */
export const aloneSteps = weighted([...reading, [1, crash], [1, stall]]);

/** How many runs all files of the model make together. */
export const MODEL_RUNS = Number(process.env.MODEL_RUNS ?? (process.env.CI === undefined ? 1_000 : 10_000));

export async function checkRuns(grouped: boolean, steps: fc.Arbitrary<Step>, numRuns: number): Promise<void> {
  const seed = fc.integer();
  const retentionBytes = fc.constantFrom(undefined, 3_000, 8_000);
  const latencyMs = fc.constantFrom(0, 20);
  const options = fc.record({ seed, retentionBytes, latencyMs }).map((some): WorldOptions => ({ grouped, ...some }));
  await fc.assert(
    fc.asyncProperty(options, join, fc.array(steps, { minLength: 4, maxLength: 30 }), (world, first, rest) =>
      World.run(world, [first, ...rest]),
    ),
    // A run that never ends fails too, with its steps.
    { numRuns, timeout: 30_000, ...replay() },
  );
}

/** MODEL_SEED and MODEL_PATH, as a failure prints them (`seed`, `path`), go through that one run again. */
function replay(): fc.Parameters<unknown> {
  const { MODEL_SEED: seed, MODEL_PATH: path } = process.env;
  if (seed === undefined) return {};
  return { seed: Number(seed), ...(path === undefined ? {} : { path, endOnFailure: true }) };
}
