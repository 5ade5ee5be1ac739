// One round of the stress: five members on one topic, and all that can befall them, in an order that the seed decides. Knows nothing of how members are made.
import { setTimeout as pause } from 'node:timers/promises';
import type { Client, GroupDescription } from 'distributedlog';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { Court } from './court.ts';
import { Dice } from './dice.ts';
import type { Figures } from './judge.ts';
import type { Surface } from './member.ts';
import { type Member, NodeMember, TabMember } from './members.ts';

const PARTITIONS = 6;
const SESSION_TIMEOUT_MS = 3_000;
const WORK_MS = 4;
/** Between two records of the producer. */
const PRODUCE_EVERY_MS = 10;
const CUT_MS = { least: 100, most: 1_000 };
const SURFACES: readonly Surface[] = ['iterator', 'forEach', 'poll', 'stream'];
const ASK_AGAIN_MS = 50;
const SETTLE_TIMEOUT_MS = 20_000;
const ROUND_TIMEOUT_MS = 80_000;

export interface World {
  readonly gateway: GatewayProcess;
  /** A client of that gateway. */
  readonly client: Client;
  readonly members: readonly Member[];
}
export interface Report extends Figures {
  readonly steps: readonly string[];
  readonly slowest: { readonly step: string; readonly ms: number };
  readonly ms: number;
}
type Step = 'leave' | 'kill' | 'freeze' | 'reload' | 'cut' | 'restart';

export class Round {
  readonly #world: World;
  readonly #dice: Dice;
  readonly #name: string;
  readonly #court: Court;
  readonly #present = new Set<Member>();
  #frozen: Member | undefined;
  /** What is still to come. */
  readonly #steps: Step[];
  readonly #taken: string[] = [];
  #slowest = { step: '', ms: 0 };

  private constructor(world: World, seed: number, restart: boolean, name: string, court: Court) {
    this.#world = world;
    this.#dice = new Dice(seed);
    this.#name = name;
    this.#court = court;
    this.#steps = this.#dice.shuffled([
      'leave',
      'kill',
      'freeze',
      'reload',
      'cut',
      ...(restart ? ['restart' as const] : []),
    ]);
  }

  /** Rejects with the journal around what went wrong; `keep` gets the whole of it in any case. */
  static async play(
    world: World,
    options: { readonly seed: number; readonly restart: boolean; readonly name: string },
    keep: (journal: string) => void,
  ): Promise<Report> {
    const admin = world.client.admin();
    const court = await Court.open(PARTITIONS, async (partitions) => {
      const { offsets } = await admin.describeGroup(options.name);
      const committed = (partition: number) => offsets.find((at) => at.partition === partition)?.committed ?? null;
      return new Map(partitions.map((partition) => [partition, committed(partition)]));
    });
    const round = new Round(world, options.seed, options.restart, options.name, court);
    const tooLong = new AbortController();
    const timeout = async (): Promise<never> => {
      await pause(ROUND_TIMEOUT_MS, undefined, { signal: tooLong.signal });
      throw new Error(`the round is not over after ${ROUND_TIMEOUT_MS} ms\n${court.recent()}`);
    };
    try {
      return await Promise.race([round.#play(), timeout()]);
    } finally {
      tooLong.abort();
      keep(court.journal());
      await Promise.all(world.members.map((member) => member.dispose()));
      await court.close();
    }
  }

  async #play(): Promise<Report> {
    const began = Date.now();
    await this.#world.client.admin().createTopic({ name: this.#name, partitions: PARTITIONS });
    const producer = this.#produce();
    try {
      await this.#join(this.#dice.shuffled(this.#world.members));
      await this.#settled('join');
      for (let step = this.#steps.shift(); step !== undefined; step = this.#steps.shift()) await this.#take(step);
      await this.#return();
      await this.#settled('return');
    } finally {
      producer.stop();
    }
    await producer.ended();
    await this.#end();
    const { figures } = this.#court.judge;
    return { ...figures, steps: this.#taken, slowest: this.#slowest, ms: Date.now() - began };
  }

  // ── who is there ─────────────────────────────────────────────────────────────────────────────────────────────────
  async #join(members: readonly Member[]): Promise<void> {
    for (const member of members) {
      const surface = this.#dice.pick(SURFACES);
      this.#say(`${member.name} joins, reading by ${surface}`);
      await member.start({
        name: member.name,
        judge: this.#court.url,
        topic: this.#name,
        group: this.#name,
        surface,
        workMs: WORK_MS,
        sessionTimeoutMs: SESSION_TIMEOUT_MS,
      });
      await this.#court.until(`${member.name} is there`, () => this.#court.isPresent(member.name));
      this.#present.add(member);
      await this.#pause(400);
    }
  }
  /** Those who left or died come back. */
  #return(): Promise<void> {
    return this.#join(this.#world.members.filter((member) => !this.#present.has(member) && member !== this.#frozen));
  }
  /** One of those who are there and are of this kind; all come back if there is none. */
  async #anyOf<M extends Member>(isKind: (member: Member) => member is M): Promise<M> {
    if (![...this.#present].some(isKind)) await this.#return();
    return this.#dice.pick([...this.#present].filter(isKind));
  }
  #life(member: Member): string {
    return this.#court.life(member.name);
  }

  // ── what befalls them ────────────────────────────────────────────────────────────────────────────────────────────
  async #take(step: Step): Promise<void> {
    this.#taken.push(step);
    if (this.#dice.below(2) === 0) await this.#return();
    switch (step) {
      case 'leave':
        await this.#leave(this.#dice.pick([...this.#present]));
        return this.#maybeSettled(step);
      case 'kill':
        return this.#kill();
      case 'freeze':
        return this.#freeze();
      case 'reload':
        return this.#reload();
      case 'cut':
        return this.#cut();
      case 'restart':
        return this.#restart();
    }
  }
  async #leave(member: Member): Promise<void> {
    this.#court.did({ type: 'leaving', life: this.#life(member) });
    this.#present.delete(member);
    await member.leave();
    await this.#court.until(`${member.name} has left`, () => !this.#court.isPresent(member.name));
  }
  async #kill(): Promise<void> {
    const member = await this.#anyOf(isNode);
    this.#court.did({ type: 'killed', life: this.#life(member) });
    this.#present.delete(member);
    await member.kill();
    await this.#maybeSettled('kill');
  }
  /** Until others have taken over what it had, and a little longer; others may leave or die meanwhile. */
  async #freeze(): Promise<void> {
    const member = await this.#anyOf(isTab);
    // So that it has something to lose.
    await this.#settled('before the freeze');
    await member.locate();
    const moment = this.#dice.pick(['with a record in hand', 'wherever it is', 'while it loads again'] as const);
    if (moment === 'while it loads again') {
      const before = this.#life(member);
      this.#court.did({ type: 'reloading', life: before });
      await member.reload();
      await this.#court.until(`${member.name} is there again`, () => this.#life(member) !== before);
      await this.#pause(150);
    }
    const life = this.#life(member);
    const release = moment === 'with a record in hand' ? await this.#court.inHand(life) : undefined;
    this.#say(`${member.name} freezes ${moment}`);
    await member.freeze();
    this.#court.did({ type: 'frozen', life });
    this.#present.delete(member);
    this.#frozen = member;
    release?.();
    const meanwhile = this.#steps.findIndex((step) => step === 'leave' || step === 'kill');
    if (meanwhile >= 0 && this.#dice.below(2) === 0) {
      await this.#pause(500);
      for (const step of this.#steps.splice(meanwhile, 1)) await this.#take(step);
    }
    await this.#settled('freeze');
    await this.#pause(300);
    this.#court.did({ type: 'thawed', life });
    member.thaw();
    this.#frozen = undefined;
    this.#present.add(member);
    await this.#settled('thaw');
  }

  /** Nothing of these may be felt by the group. */
  async #calm(reason: string, of: readonly Member[], reloads: boolean, work: () => Promise<void>): Promise<void> {
    await this.#settled(`before: ${reason}`);
    const { judge } = this.#court;
    const began = judge.entries.length;
    const name = of[0];
    this.#court.did({ type: 'calm', reason, life: reloads && name !== undefined ? this.#life(name) : undefined });
    await work();
    for (const member of of) {
      await this.#court.until(`${member.name} reads again: ${reason}`, () => {
        const since = judge.entries.slice(began).filter((entry) => entry.life === this.#life(member));
        const live = since.findLastIndex(({ event }) => event.type === 'said' && event.text === 'live');
        return live >= 0 && since.slice(live).some(({ event }) => event.type === 'begin');
      });
    }
    await this.#settled(reason);
    this.#court.did({ type: 'calm over' });
    this.#court.check();
  }
  async #reload(): Promise<void> {
    const member = await this.#anyOf(isTab);
    await this.#calm(`${member.name} reloads`, [member], true, () => {
      this.#court.did({ type: 'reloading', life: this.#life(member) });
      return member.reload();
    });
  }
  #cut(): Promise<void> {
    const member = this.#dice.pick([...this.#present]);
    return this.#calm(`the connection of ${member.name} is cut`, [member], false, async () => {
      member.link.cut();
      await pause(CUT_MS.least + this.#dice.below(CUT_MS.most - CUT_MS.least));
      member.link.mend();
    });
  }
  #restart(): Promise<void> {
    const { gateway } = this.#world;
    const kill = this.#dice.below(2) === 0;
    const reason = `the gateway ${kill ? 'is killed with -9' : 'is stopped'} and started again`;
    return this.#calm(reason, [...this.#present], false, async () => {
      await (kill ? gateway.kill9() : gateway.stop());
      await gateway.start();
    });
  }

  // ── waiting ──────────────────────────────────────────────────────────────────────────────────────────────────────
  #say(text: string): void {
    this.#court.did({ type: 'step', text });
  }
  #pause(mostMs: number): Promise<void> {
    return pause(this.#dice.below(mostMs));
  }
  async #maybeSettled(step: string): Promise<void> {
    if (this.#dice.below(2) === 0) await this.#settled(step);
    else await this.#pause(500);
  }
  /** Every partition belongs to somebody who is there, everybody has some, and the gateway says the same. */
  async #settled(step: string): Promise<void> {
    const began = Date.now();
    const names = [...this.#present].map(({ name }) => name).sort();
    const { judge } = this.#court;
    const owners = (): string => [...new Set(judge.holders().map((life) => life ?? ''))].sort().join(' ');
    const expected = (): string =>
      [...this.#present]
        .map((member) => this.#life(member))
        .sort()
        .join(' ');
    for (;;) {
      await this.#court.until(
        `the group has settled with ${names.join(', ')} (${step})`,
        () => owners() === expected(),
        SETTLE_TIMEOUT_MS,
      );
      const group = await this.#world.client.admin().describeGroup(this.#name);
      this.#court.check();
      if (isStable(group, names) && owners() === expected()) break;
      if (Date.now() - began > SETTLE_TIMEOUT_MS) {
        throw new Error(
          `not settled after ${SETTLE_TIMEOUT_MS} ms (${step}): ${JSON.stringify(group)}\n${this.#court.recent()}`,
        );
      }
      await pause(ASK_AGAIN_MS);
    }
    const ms = Date.now() - began;
    this.#say(`settled (${step}): ${judge.holders().join(' ')}`);
    if (ms > this.#slowest.ms) this.#slowest = { step, ms };
  }

  // ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────
  #produce(): { stop(): void; ended(): Promise<void> } {
    const producer = this.#world.client.producer();
    // Of its own: how many records there are must not decide what befalls the members.
    const dice = new Dice(this.#dice.below(2 ** 31));
    const numbers = Array.from({ length: PARTITIONS }, () => 0);
    const sent: Promise<void>[] = [];
    const send = async (partition: number, number: number): Promise<void> => {
      const { offset } = await producer.send({ topic: this.#name, partition, value: `${partition}:${number}` });
      this.#court.did({ type: 'produced', partition, number, offset });
    };
    const timer = setInterval(() => {
      const partition = dice.below(PARTITIONS);
      const number = numbers[partition] ?? 0;
      numbers[partition] = number + 1;
      sent.push(send(partition, number).catch((error: unknown) => this.#court.fail(error)));
    }, PRODUCE_EVERY_MS);
    return {
      stop: () => clearInterval(timer),
      async ended() {
        await Promise.all(sent);
        await producer.close();
      },
    };
  }
  /** All is processed and committed; all leave; nothing is left over. */
  async #end(): Promise<void> {
    const { judge } = this.#court;
    await this.#court.until('every record is processed', () => judge.caughtUp);
    await Promise.all(this.#dice.shuffled([...this.#present]).map((member) => this.#leave(member)));
    judge.finish();
    this.#court.check();
    const { members, offsets } = await this.#world.client.admin().describeGroup(this.#name);
    const behind = offsets.filter(({ committed, end }) => (committed ?? 0) !== end);
    if (members.length > 0 || behind.length > 0) {
      throw new Error(`left over: ${JSON.stringify({ members, behind })}\n${this.#court.recent()}`);
    }
  }
}

const isNode = (member: Member): member is NodeMember => member instanceof NodeMember;
const isTab = (member: Member): member is TabMember => member instanceof TabMember;
function isStable({ state, members }: GroupDescription, names: readonly string[]): boolean {
  const there = members.filter(({ connected }) => connected).map(({ clientId }) => clientId);
  return state === 'Stable' && members.length === names.length && there.sort().join() === names.join();
}
