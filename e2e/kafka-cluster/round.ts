// One round on a cluster: a group reads through two gateways while brokers and gateways die and come back, and nothing of that may be felt by the group. Knows nothing of how members are made.
import { setTimeout as pause } from 'node:timers/promises';
import type { Client, GroupDescription } from 'distributedlog';
import { Court } from '../groups/court.ts';
import type { Figures } from '../groups/judge.ts';
import type { Surface } from '../groups/member.ts';
import type { Member } from '../groups/members.ts';
import type { Cluster } from '../kafka/cluster.mjs';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { CommitWatch } from './commits.ts';

export const PARTITIONS = 6;
/** Longer than a gateway takes to come back. */
const SESSION_TIMEOUT_MS = 30_000;
const WORK_MS = 4;
/** Between two records of the producer. */
const PRODUCE_EVERY_MS = 20;
const SURFACES: readonly Surface[] = ['forEach', 'poll', 'iterator', 'stream'];
const SETTLE_TIMEOUT_MS = 60_000;
const READ_AGAIN_TIMEOUT_MS = 60_000;
const TOOL = 'org.apache.kafka.tools.TopicCommand';

/** A gateway, and the members whose connections lead to it. */
export interface Side {
  readonly gateway: GatewayProcess;
  readonly members: readonly Member[];
}
export interface World {
  readonly cluster: Cluster;
  readonly sides: readonly [Side, Side];
  /** A client of both gateways. */
  readonly client: Client;
}
export interface Report extends Figures {
  /** How long nothing came of some partition, ms, by what befell the cluster. */
  readonly pauses: readonly (readonly [what: string, ms: number])[];
  /** How often the group's commits were looked at. */
  readonly looks: number;
  readonly ms: number;
}

export class Round {
  readonly #world: World;
  readonly #name: string;
  readonly #court: Court;
  readonly #members: readonly Member[];
  readonly #pauses: [string, number][] = [];

  private constructor(world: World, name: string, court: Court) {
    this.#world = world;
    this.#name = name;
    this.#court = court;
    this.#members = world.sides.flatMap(({ members }) => members);
  }

  /** Rejects with the journal around what went wrong; `keep` gets the whole of it in any case. */
  static async play(world: World, name: string, keep: (journal: string) => void): Promise<Report> {
    const admin = world.client.admin();
    const court = await Court.open(PARTITIONS, async (partitions) => {
      const committed = await admin.describeGroup(name).then(({ offsets }) => {
        return new Map(offsets.map((at) => [at.partition, at.committed]));
      });
      return new Map(partitions.map((partition) => [partition, committed.get(partition) ?? null]));
    });
    const round = new Round(world, name, court);
    try {
      return await round.#play();
    } finally {
      keep(court.journal());
      await Promise.all(round.#members.map((member) => member.dispose()));
      await court.close();
    }
  }

  async #play(): Promise<Report> {
    const began = Date.now();
    const { client, sides } = this.#world;
    await this.#createTopic();
    const producer = this.#produce();
    let commits: CommitWatch | undefined;
    try {
      await this.#join();
      await this.#settled('join');
      commits = new CommitWatch(client, this.#name, (error) => this.#court.fail(error));
      await this.#loseBroker();
      await this.#rollBrokers();
      await this.#restartGateway(sides[0]);
      await this.#moveTo(sides[1], sides[0]);
    } finally {
      producer.stop();
      await commits?.end();
    }
    await producer.ended();
    await this.#end();
    const { figures } = this.#court.judge;
    return { ...figures, pauses: this.#pauses, looks: commits?.looks ?? 0, ms: Date.now() - began };
  }

  /** Half of the partitions are led by the first broker. */
  async #createTopic(): Promise<void> {
    const { cluster } = this.#world;
    const replicas = ['0:1:2', '1:2:0', '0:2:1', '2:0:1', '0:1:2', '1:0:2'].join();
    const args = ['--create', '--topic', this.#name, '--replica-assignment', replicas];
    await cluster.tool(TOOL, ['--bootstrap-server', cluster.bootstrap, ...args]);
    await cluster.whenInSync();
  }
  async #join(): Promise<void> {
    for (const [index, member] of this.#members.entries()) {
      const surface = SURFACES[index % SURFACES.length] ?? 'poll';
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
    }
  }

  // ── what befalls the cluster ─────────────────────────────────────────────────────────────────────────────────────
  /** The one that leads most. */
  async #loseBroker(): Promise<void> {
    const { cluster } = this.#world;
    const leaders = await cluster.leaders(this.#name);
    const led = cluster.brokers.map(({ id }) => leaders.filter((leader) => leader === id).length);
    const most = led.indexOf(Math.max(...led));
    const what = `broker ${most}, which leads ${led[most]} of ${PARTITIONS} partitions,`;
    await this.#calm(`${what} is killed with -9`, () => cluster.kill(most));
    await this.#calm(`broker ${most} comes back`, () => cluster.start(most));
    await cluster.whenInSync();
  }
  async #rollBrokers(): Promise<void> {
    const { cluster } = this.#world;
    for (const { id } of cluster.brokers) {
      await this.#calm(`broker ${id} is stopped and started`, async () => {
        await cluster.stop(id);
        await cluster.start(id);
      });
      await cluster.whenInSync();
    }
  }
  #restartGateway({ gateway }: Side): Promise<void> {
    return this.#calm('a gateway is killed with -9 and started again', async () => {
      await gateway.kill9();
      await gateway.start();
    });
  }
  /** Whoever was connected through `from` comes back through `to`; then `from` is there again, and nobody goes back. */
  async #moveTo(to: Side, from: Side): Promise<void> {
    await this.#calm('a gateway is killed with -9, and its clients come back through the other one', async () => {
      for (const { link } of from.members) link.target = to.gateway.port;
      await from.gateway.kill9();
    });
    await this.#calm('the gateway that was killed is there again', () => from.gateway.start());
    for (const { link } of from.members) link.target = from.gateway.port;
  }

  /** Nothing of this may be felt by the group; every partition is read again afterwards. */
  async #calm(reason: string, work: () => Promise<void>): Promise<void> {
    const before = await this.#settled(`before: ${reason}`);
    const { judge } = this.#court;
    this.#court.did({ type: 'calm', reason });
    const first = judge.entries.length;
    await work();
    const after = judge.entries.length;
    await this.#court.until(
      `every partition is read again: ${reason}`,
      () => this.#begunSince(after).size === PARTITIONS,
      READ_AGAIN_TIMEOUT_MS,
    );
    this.#pauses.push([reason, this.#longestPause(first)]);
    const now = await this.#settled(reason);
    this.#court.did({ type: 'calm over' });
    this.#court.check();
    if (who(before) !== who(now)) {
      throw new Error(`${reason}: the group was ${who(before)} and is ${who(now)}\n${this.#court.recent()}`);
    }
  }
  #begunSince(index: number): Set<number> {
    const since = this.#court.judge.entries.slice(index);
    return new Set(since.flatMap(({ event }) => (event.type === 'begin' ? [event.partition] : [])));
  }
  /** Between two records of one partition. */
  #longestPause(index: number): number {
    const { entries } = this.#court.judge;
    const from = entries[index - 1]?.ms ?? 0;
    const latest = Array.from({ length: PARTITIONS }, () => from);
    let longest = 0;
    for (const { event, ms } of entries.slice(index)) {
      if (event.type !== 'begin') continue;
      longest = Math.max(longest, ms - (latest[event.partition] ?? ms));
      latest[event.partition] = ms;
    }
    return Math.round(longest);
  }

  // ── waiting ──────────────────────────────────────────────────────────────────────────────────────────────────────
  #say(text: string): void {
    this.#court.did({ type: 'step', text });
  }
  /** Every partition belongs to somebody, everybody has some, and the cluster says the same. */
  async #settled(step: string): Promise<GroupDescription> {
    const { judge } = this.#court;
    const lives = (): string =>
      this.#members
        .map(({ name }) => this.#court.life(name))
        .sort()
        .join(' ');
    const owners = (): string => [...new Set(judge.holders().map((life) => life ?? ''))].sort().join(' ');
    const until = Date.now() + SETTLE_TIMEOUT_MS;
    for (let group: GroupDescription | undefined; ; await pause(100)) {
      await this.#court.until(`the group has settled (${step})`, () => owners() === lives(), SETTLE_TIMEOUT_MS);
      // The client tries again by itself for as long as a request may take.
      group = await this.#world.client.admin().describeGroup(this.#name, { timeoutMs: SETTLE_TIMEOUT_MS });
      this.#court.check();
      if (group.state === 'Stable' && group.members.length === this.#members.length && owners() === lives()) {
        this.#say(`settled (${step}): ${who(group)}, epoch ${group.epoch}`);
        return group;
      }
      if (Date.now() > until) {
        throw new Error(`not settled (${step}): ${JSON.stringify(group)}\n${this.#court.recent()}`);
      }
    }
  }

  // ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────
  #produce(): { stop(): void; ended(): Promise<void> } {
    const producer = this.#world.client.producer();
    const numbers = Array.from({ length: PARTITIONS }, () => 0);
    const sent: Promise<void>[] = [];
    const send = async (partition: number, number: number): Promise<void> => {
      const { offset } = await producer.send({ topic: this.#name, partition, value: `${partition}:${number}` });
      this.#court.did({ type: 'produced', partition, number, offset });
    };
    let turn = 0;
    const timer = setInterval(() => {
      const partition = turn++ % PARTITIONS;
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
    await this.#court.until('every record is processed', () => judge.caughtUp, READ_AGAIN_TIMEOUT_MS);
    for (const member of this.#members) {
      this.#court.did({ type: 'leaving', life: this.#court.life(member.name) });
      await member.leave();
      await this.#court.until(`${member.name} has left`, () => !this.#court.isPresent(member.name));
    }
    judge.finish();
    this.#court.check();
    const { members, offsets } = await this.#world.client.admin().describeGroup(this.#name);
    const behind = offsets.filter(({ committed, end }) => (committed ?? 0) !== end);
    if (members.length > 0 || behind.length > 0) {
      throw new Error(`left over: ${JSON.stringify({ members, behind })}\n${this.#court.recent()}`);
    }
    await this.#world.client.admin().deleteTopic(this.#name);
  }
}

/** Who has what, as the cluster says it. */
function who({ members }: GroupDescription): string {
  return members
    .map(({ clientId, assignment }) => `${clientId}: ${assignment.map(({ partition }) => partition).sort()}`)
    .sort()
    .join('; ');
}
