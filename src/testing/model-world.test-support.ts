// One run of the model: a gateway in memory on a manual clock, the consumers at it, and what must hold after every step and at the end. Knows nothing of how steps are chosen.
import { ManualClock } from './manual-clock.ts';
import { ModelGroup, ModelLog, Violation } from './model-log.test-support.ts';
import { type MemberConfig, ModelMember } from './model-member.test-support.ts';
import { seededRandom } from './seeded-random.ts';
import { createTestGateway } from './test-gateway.ts';

export interface WorldOptions {
  /** false: every consumer reads alone. */
  readonly grouped: boolean;
  readonly seed: number;
  /** Bytes that partitions keep; undefined: all. */
  readonly retentionBytes: number | undefined;
  /** Of every frame. */
  readonly latencyMs: number;
}
export interface Step {
  readonly text: string;
  /** The next step does not wait for what this one brings about. */
  readonly atOnce?: boolean;
  run(world: World): void | Promise<void>;
}
/** After so much of the clock's time everything that was broken has mended: sessions expired, rebalances timed out. */
const MENDED_AFTER_MS = 120_000;
const STEP_MS = 500;
const MAX_MEMBERS = 4;

/** How long a consumer waits before it tries a commit again. */
const COMMIT_RETRY_MS = 100;

export class World {
  readonly clock: ManualClock;
  readonly log: ModelLog;
  /** Those that are there, by place. */
  readonly members: (ModelMember | undefined)[] = [];
  readonly #options: WorldOptions;
  readonly #group: ModelGroup | undefined;
  readonly #groups = new Set<ModelGroup>();
  readonly #background = new Set<Promise<void>>();
  #violation: { readonly error: unknown } | undefined;
  #names = 0;

  private constructor(options: WorldOptions, clock: ManualClock, log: ModelLog) {
    this.#options = options;
    this.clock = clock;
    this.log = log;
    this.#group = options.grouped ? new ModelGroup('g', log) : undefined;
    if (this.#group !== undefined) this.#groups.add(this.#group);
  }
  static async run(options: WorldOptions, steps: readonly Step[]): Promise<void> {
    const clock = new ManualClock();
    const quiet = () => undefined;
    const logger = {
      debug: quiet,
      info: quiet,
      warn: quiet,
      error: (fields: object, message: string) => world.#fail(new Violation(`${message}: ${describe(fields)}`)),
    };
    await using gateway = await createTestGateway({
      clock,
      random: seededRandom(options.seed),
      latencyMs: options.latencyMs,
      logger,
    });
    const world: World = new World(options, clock, new ModelLog(gateway));
    const config: Record<string, string> =
      options.retentionBytes === undefined ? {} : { 'retention.bytes': String(options.retentionBytes) };
    await world.log.addTopic('a', 2, config);
    await world.log.addTopic('b', 2, config);
    try {
      for (const step of steps) {
        await step.run(world);
        if (step.atOnce !== true) await world.#settle();
      }
      await world.#finish();
    } catch (error) {
      // What broke first says most.
      throw world.#violation?.error ?? error;
    }
    await gateway.close();
    // What the wire was still carrying, and a commit of a crashed consumer that was about to be tried again.
    await clock.tick(COMMIT_RETRY_MS + 2 * options.latencyMs);
    if (clock.pending > 0) throw new Violation(`${clock.pending} timers are left on the clock`);
  }

  // ── for steps ────────────────────────────────────────────────────────────────────────────────────────────────────
  /** The consumer at a place, if there is one. */
  at(place: number): ModelMember | undefined {
    const member = this.members[place % MAX_MEMBERS];
    return member?.live ? member : undefined;
  }
  join(place: number, config: MemberConfig): void {
    if (this.at(place) !== undefined) return;
    const group = this.#group ?? new ModelGroup(undefined, this.log);
    this.#groups.add(group);
    const [name, instanceId] = [`c${this.#names++}`, `at ${place % MAX_MEMBERS}`];
    const member = new ModelMember(name, instanceId, group, this.log, config, (error) => this.#fail(error));
    this.members[place % MAX_MEMBERS] = member;
    this.behind(member.subscribe());
  }
  /** Tells the consumer at a place to read, or to acknowledge what it has. */
  async read(place: number, max: number, how: 'poll' | 'iterator'): Promise<void> {
    await this.at(place)?.read(max, how, () => this.clock.settle());
  }
  /** Ends the session of the consumer at a place, or moves partitions about for no reason. */
  async disturb(how: 'expire' | 'rebalance', place: number): Promise<void> {
    const group = await this.#group?.describe();
    const member = this.at(place);
    if (group === undefined || member === undefined) return;
    const { groupId, members } = group;
    const memberId = member.consumer.groupMetadata()?.memberId;
    if (how === 'rebalance') return this.log.gateway.rebalance(groupId);
    if (!members.some((one) => one.memberId === memberId)) return;
    member.expire();
    await this.log.gateway.expireSession(groupId, memberId);
  }
  /** Work that nobody waits for until the end. */
  behind(work: Promise<void>): void {
    const done = work.catch((error: unknown) => this.#fail(error)).finally(() => this.#background.delete(done));
    this.#background.add(done);
  }

  // ── the rules ────────────────────────────────────────────────────────────────────────────────────────────────────
  #fail(error: unknown): void {
    this.#violation ??= { error };
  }
  async #settle(): Promise<void> {
    await this.clock.settle();
    await this.#check();
  }
  async #check(): Promise<void> {
    for (const member of this.members) if (member?.live) member.checkBound();
    await this.#group?.checkCommitted();
    if (this.#violation !== undefined) throw this.#violation.error;
  }

  /** Everything mends, everything is read, everybody goes. */
  async #finish(): Promise<void> {
    for (const member of this.#live()) {
      member.wire.refusing = false;
      member.hold(false);
      member.resumeAll();
    }
    if (this.#group !== undefined && this.#live().length === 0) this.join(0, LAST);
    const end = this.clock.now() + MENDED_AFTER_MS;
    for (let left = await this.#left(); left !== undefined; left = await this.#left()) {
      if (this.clock.now() > end) throw new Violation(left);
      await this.clock.tick(STEP_MS);
    }
    for (const member of this.#live()) await this.clock.run(member.checkEnd());
    const closing = this.#live().map((member) => member.close(true));
    await this.clock.run(Promise.all(closing));
    await this.clock.run(Promise.all(this.#background));
    await this.#settle();
  }
  #live(): ModelMember[] {
    return this.members.filter((member): member is ModelMember => member?.live === true);
  }
  /** Reads all there is; then: what is not yet as it should be in the end. */
  async #left(): Promise<string | undefined> {
    for (const member of this.#live())
      while ((await member.read(50, 'poll', async () => undefined)) > 0) await this.#settle();
    await this.#settle();
    return this.#missing() ?? (await this.#unowned());
  }
  /** A record that somebody should have got and nobody has. */
  #missing(): string | undefined {
    for (const group of this.#groups) {
      const readers = this.#live().filter((member) => member.group === group);
      for (const key of this.log.keys) {
        const offset = readers.some((member) => member.wants(key)) ? group.missing(key) : undefined;
        if (offset !== undefined) return `${readers[0]?.name} or another of its group never got ${key}@${offset}`;
      }
    }
    return undefined;
  }
  /** A partition that does not belong to exactly one of those who want it. */
  async #unowned(): Promise<string | undefined> {
    if (this.#group === undefined) return undefined;
    const { members = [], state = 'Empty' } = (await this.#group.describe()) ?? {};
    const live = this.#live();
    if (members.length !== live.length) return `the group has ${members.length} members where ${live.length} are there`;
    if (state !== 'Stable') return `the group is ${state}`;
    for (const key of this.log.keys) {
      if (!live.some((member) => member.wants(key))) continue;
      const owners = live.filter((member) => member.assigned.includes(key)).map(({ name }) => name);
      if (owners.length !== 1) return `${key} has the owners ${owners.join() || '(nobody)'}`;
    }
    return undefined;
  }
}

/** Comes where nobody is left in the end. */
const LAST: MemberConfig = {
  topics: /.*/,
  assigns: false,
  reads: 'calls',
  autoCommit: true,
  fixed: false,
  assignor: 'uniform',
  maxBufferedBytes: 4_096,
  maxPollRecords: 50,
  maxPollIntervalMs: 60_000,
};
function describe(fields: object): string {
  const cause = 'err' in fields ? fields.err : fields;
  return cause instanceof Error ? (cause.stack ?? cause.message) : JSON.stringify(cause);
}
