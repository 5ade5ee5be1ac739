// Holds a journal of a group against the contract: one live owner, order, nothing skipped, nothing repeated without a reason. Pure; knows nothing of processes or sockets.
import type { Done, Entry, Told } from './journal.ts';

/** Why a record may come again. */
export type Reason = 'crash' | 'lost session' | 'reload' | 'revoked';
type End = Reason | 'left';

interface Life {
  readonly label: string;
  readonly name: string;
  state: 'live' | 'frozen' | 'leaving' | 'left' | 'dead';
  /** What it is about to die of; until its last word has been heard it counts as any other. */
  doom: 'crash' | 'reload' | undefined;
  memberId: string | null;
  /** Of the last time it was frozen, ms since the epoch. */
  frozenAt: number | undefined;
}
/** One member's time with one partition. */
interface Tenure {
  readonly life: Life;
  /** The only offset it may begin with next. */
  next: number;
  /** Up to here (not included) it is processed: what it may commit. */
  done: number;
  /** It was frozen in the middle: another may have taken over. */
  frozen: boolean;
  end: End | undefined;
}
interface Attempt {
  readonly tenure: Tenure;
  ended: boolean;
}
interface Partition {
  holder: Tenure | undefined;
  /** Being worked on, by life. */
  readonly inHand: Map<Life, Attempt & { readonly offset: number }>;
  readonly attempts: Map<number, Attempt[]>;
  /** The first offset nobody has processed. */
  processed: number;
  /** The highest offset that a live owner said is committed. */
  committed: number;
  produced: number;
}

export interface Figures {
  produced: number;
  handovers: number;
  /** Records processed twice, by what explains it. */
  readonly again: Record<Reason, number>;
}

export class Judge {
  readonly entries: Entry[] = [];
  readonly figures: Figures = {
    produced: 0,
    handovers: 0,
    again: { crash: 0, 'lost session': 0, reload: 0, revoked: 0 },
  };
  readonly #now: () => number;
  readonly #began: number;
  readonly #lives = new Map<string, Life>();
  readonly #partitions: Partition[];
  #calm: { readonly reason: string; readonly life: Life | undefined; readonly owned: readonly number[] } | undefined;
  #firstWrong: number | undefined;

  /** `now`: ms since the epoch. */
  constructor(partitions: number, now: () => number) {
    this.#now = now;
    this.#began = now();
    this.#partitions = Array.from({ length: partitions }, () => ({
      holder: undefined,
      inHand: new Map(),
      attempts: new Map(),
      processed: 0,
      committed: 0,
      produced: 0,
    }));
  }

  /** Index of the first entry that the contract does not allow. */
  get firstWrong(): number | undefined {
    return this.#firstWrong;
  }
  /** Whom each partition belongs to, by label; a killed or frozen life counts as long as nobody took over. */
  holders(): (string | undefined)[] {
    return this.#partitions.map(({ holder }) => holder?.life.label);
  }
  owned(label: string): number[] {
    return this.holders().flatMap((holder, partition) => (holder === label ? [partition] : []));
  }
  /** Every record that was produced has been processed. */
  get caughtUp(): boolean {
    return this.#partitions.every(({ processed, produced }) => processed >= produced);
  }

  // ── what members say ─────────────────────────────────────────────────────────────────────────────────────────────
  /** `committed`: with 'assigned', what the group has for each of its partitions at this moment. */
  hear(label: string, event: Told, committed: ReadonlyMap<number, number | null> = new Map()): void {
    const entry = this.#note(label, event);
    if (event.type === 'hello') {
      if (this.#lives.has(label)) this.#wrong(entry, 'two lives of one label');
      const life: Life = {
        label,
        name: event.name,
        state: 'live',
        doom: undefined,
        memberId: null,
        frozenAt: undefined,
      };
      this.#lives.set(label, life);
      return;
    }
    const life = this.#lives.get(label);
    if (life === undefined) return this.#wrong(entry, 'nobody of that label said hello');
    const over = life.state === 'left' || life.state === 'dead';
    if (over && event.type !== 'said') return this.#wrong(entry, `it is ${life.state}`);
    switch (event.type) {
      case 'assigned':
        return this.#assigned(entry, life, event.memberId, event.partitions, committed);
      case 'revoked':
      case 'lost':
        return this.#gone(entry, life, event.type, event.partitions);
      case 'begin':
        return this.#begin(entry, life, event);
      case 'end':
        return this.#end(entry, life, event.partition, event.offset);
      case 'committed':
        return this.#committed(entry, life, event.offsets);
      case 'failed':
        return this.#wrong(entry, 'no member may fail');
    }
  }

  #assigned(
    entry: Entry,
    life: Life,
    memberId: string | null,
    partitions: readonly number[],
    committed: ReadonlyMap<number, number | null>,
  ): void {
    if (memberId === null) this.#wrong(entry, 'assigned to nobody');
    const takesOver = this.#calm?.life?.name === life.name && life.memberId === null;
    if (this.#calm !== undefined && !takesOver) this.#wrong(entry, `a rebalance in spite of: ${this.#calm.reason}`);
    life.memberId = memberId;
    for (const number of partitions) {
      const partition = this.#partition(number);
      const { holder } = partition;
      if (holder !== undefined) {
        if (holder.life === life) this.#wrong(entry, `p${number} was its own already`);
        else if (holder.life.state === 'dead' || holder.frozen) holder.end ??= 'lost session';
        else this.#wrong(entry, `p${number} is still ${holder.life.label}'s, which lives and has not let go of it`);
      }
      const from = committed.get(number) ?? 0;
      if (from < partition.committed) {
        this.#wrong(entry, `p${number} goes on at ${from}, but ${partition.committed} was committed`);
      }
      if (from > partition.processed) {
        this.#wrong(entry, `p${number}: ${from} is committed, but ${partition.processed} is not processed`);
      }
      this.#remark(entry, `p${number} from ${from}`);
      partition.holder = { life, next: from, done: from, frozen: life.state === 'frozen', end: undefined };
      this.figures.handovers += 1;
    }
  }

  #gone(entry: Entry, life: Life, how: 'revoked' | 'lost', partitions: readonly number[]): void {
    if (this.#calm !== undefined) this.#wrong(entry, `a rebalance in spite of: ${this.#calm.reason}`);
    for (const number of partitions) {
      const partition = this.#partition(number);
      const { holder } = partition;
      const mine = holder?.life === life ? holder : undefined;
      if (how === 'lost') {
        // A session that expired; nobody else may have had a turn yet.
        if (life.frozenAt === undefined) this.#wrong(entry, `p${number}: lost by a member that was never frozen`);
        if (mine !== undefined) mine.end = 'lost session';
      } else if (mine === undefined) {
        this.#wrong(entry, `p${number} is not its own`);
      } else {
        if (partition.inHand.has(life)) this.#wrong(entry, `p${number}: a record is in hand`);
        mine.end = life.state === 'leaving' ? 'left' : 'revoked';
      }
      if (mine !== undefined) partition.holder = undefined;
    }
  }

  #begin(entry: Entry, life: Life, told: Extract<Told, { type: 'begin' }>): void {
    const partition = this.#partition(told.partition);
    const { offset } = told;
    if (told.value !== `${told.partition}:${offset}`) this.#wrong(entry, `another record: ${told.value}`);
    const { holder } = partition;
    const earlier = partition.attempts.get(offset) ?? [];
    if (holder?.life !== life) {
      if (life.frozenAt !== undefined && told.at <= life.frozenAt) {
        return this.#remark(entry, 'in hand since before it was frozen');
      }
      return this.#wrong(entry, `the partition is ${holder?.life.label ?? 'nobody'}'s`);
    }
    for (const [other, inHand] of partition.inHand) {
      const alive = other.state === 'live' || other.state === 'leaving';
      if (other === life || (alive && inHand.tenure.end === undefined)) {
        this.#wrong(entry, `${other.label} is at work on @${inHand.offset}`);
      }
    }
    if (offset !== holder.next) this.#wrong(entry, `out of order: @${holder.next} is next`);
    const last = earlier.at(-1);
    if (last !== undefined) {
      const reason = last.tenure.end;
      if (reason === undefined || reason === 'left') {
        const how = reason === undefined ? 'still has it' : 'left cleanly';
        this.#wrong(entry, `comes again, but ${last.tenure.life.label}, who had it, ${how}`);
      } else if (earlier.some(({ ended }) => ended)) {
        this.figures.again[reason] += 1;
        this.#remark(entry, `again: ${reason} of ${last.tenure.life.label}`);
      }
    }
    holder.next = offset + 1;
    const attempt = { tenure: holder, ended: false, offset };
    partition.attempts.set(offset, [...earlier, attempt]);
    partition.inHand.set(life, attempt);
  }

  #end(entry: Entry, life: Life, number: number, offset: number): void {
    const partition = this.#partition(number);
    const attempt = partition.inHand.get(life);
    partition.inHand.delete(life);
    if (attempt?.offset !== offset) {
      if (life.frozenAt === undefined) this.#wrong(entry, 'never begun');
      return;
    }
    attempt.ended = true;
    attempt.tenure.done = offset + 1;
    while (partition.attempts.get(partition.processed)?.some(({ ended }) => ended)) partition.processed += 1;
  }

  #committed(entry: Entry, life: Life, offsets: readonly (readonly [number, number])[]): void {
    for (const [number, offset] of offsets) {
      const partition = this.#partition(number);
      const { holder } = partition;
      // Told late by one that was frozen: it may have been committed before.
      if (holder?.life !== life) continue;
      if (offset > holder.done) this.#wrong(entry, `p${number} is processed up to ${holder.done} only`);
      partition.committed = Math.max(partition.committed, offset);
    }
  }

  // ── what the scenario does ───────────────────────────────────────────────────────────────────────────────────────
  did(event: Done): void {
    const entry = this.#note(undefined, event);
    switch (event.type) {
      case 'produced': {
        const partition = this.#partition(event.partition);
        if (event.number !== event.offset) this.#wrong(entry, `the record is number ${event.number} of its partition`);
        partition.produced = Math.max(partition.produced, event.offset + 1);
        this.figures.produced += 1;
        return;
      }
      case 'calm': {
        const life = event.life === undefined ? undefined : this.#life(event.life);
        this.#calm = { reason: event.reason, life, owned: life === undefined ? [] : this.owned(life.label) };
        return;
      }
      case 'calm over':
        return this.#calmOver(entry);
      case 'step':
        return;
      case 'thawed':
        this.#life(event.life).state = 'live';
        return;
      case 'frozen':
        return this.#frozen(this.#life(event.life));
      case 'killed':
        this.#life(event.life).doom = 'crash';
        return;
      case 'reloading':
        this.#life(event.life).doom = 'reload';
        return;
      case 'gone':
        return this.#over(entry, this.#life(event.life));
      case 'leaving':
        this.#life(event.life).state = 'leaving';
        return;
    }
  }

  #frozen(life: Life): void {
    life.state = 'frozen';
    life.frozenAt = this.#now();
    for (const { holder } of this.#partitions) if (holder?.life === life) holder.frozen = true;
  }
  #over(entry: Entry, life: Life): void {
    if (life.state === 'leaving') {
      life.state = 'left';
      const kept = this.owned(life.label);
      if (kept.length > 0) this.#wrong(entry, `left, but never gave p${kept.join(' p')} up`);
      return;
    }
    if (life.doom === undefined) this.#wrong(entry, 'nobody killed it');
    life.state = 'dead';
    for (const { holder, inHand } of this.#partitions) {
      inHand.delete(life);
      if (holder?.life === life) holder.end = life.doom;
    }
  }
  #calmOver(entry: Entry): void {
    const calm = this.#calm;
    this.#calm = undefined;
    if (calm?.life === undefined) return;
    const { name, label, memberId } = calm.life;
    const next = [...this.#lives.values()].findLast((life) => life.name === name);
    if (next === undefined || next.label === label) return this.#wrong(entry, `${name} did not come back`);
    if (next.memberId !== memberId) this.#wrong(entry, `${name} was ${memberId} and came back as ${next.memberId}`);
    const owned = this.owned(next.label).join(' ');
    if (owned !== calm.owned.join(' ')) this.#wrong(entry, `${name} had ${calm.owned.join(' ')} and now has ${owned}`);
  }
  /** At the end, when all have left: what was acknowledged to the producer was processed, and everything is let go of. */
  finish(): void {
    const entry = this.#note(undefined, { type: 'step', text: 'the end' });
    for (const [number, { attempts, produced, holder }] of this.#partitions.entries()) {
      const missing = Array.from({ length: produced }, (_, offset) => offset).filter(
        (offset) => !attempts.get(offset)?.some(({ ended }) => ended),
      );
      if (missing.length > 0) this.#wrong(entry, `p${number}: never processed: ${missing.slice(0, 10).join(' ')}`);
      if (holder !== undefined && holder.life.state !== 'dead') {
        this.#wrong(entry, `p${number} is still ${holder.life.label}'s`);
      }
    }
  }

  // ── the journal ──────────────────────────────────────────────────────────────────────────────────────────────────
  #life(label: string): Life {
    const life = this.#lives.get(label);
    if (life === undefined) throw new Error(`the judge knows no life ${label}`);
    return life;
  }
  #partition(number: number): Partition {
    const partition = this.#partitions[number];
    if (partition === undefined) throw new Error(`there is no partition ${number}`);
    return partition;
  }
  #note(life: string | undefined, event: Told | Done): Entry {
    const entry: Entry = { ms: this.#now() - this.#began, life, event, remark: '', wrong: false };
    this.entries.push(entry);
    return entry;
  }
  #remark(entry: Entry, remark: string): void {
    entry.remark += entry.remark === '' ? remark : `; ${remark}`;
  }
  #wrong(entry: Entry, remark: string): void {
    entry.wrong = true;
    this.#remark(entry, remark);
    this.#firstWrong ??= this.entries.indexOf(entry);
  }
}
