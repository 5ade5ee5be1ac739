// What may have cost a member of the model its place in the group, and whether it can have heard of that. Knows nothing of what it reads.
import type { ModelLog } from './model-log.test-support.ts';

export interface StandingConfig {
  /** Its stream acknowledges: how long it is at work is the age of what it has in hand. */
  readonly acknowledges: boolean;
  /** Keeps its place in the group over a restart. */
  readonly fixed: boolean;
  readonly maxPollIntervalMs: number;
  readonly rebalanceTimeoutMs: number;
}

export class Standing {
  readonly #config: StandingConfig;
  readonly #log: ModelLog;
  /** It was out of reach, or its session was ended: what it had may be lost. */
  #isDoubtful = false;
  #idleSince: number;
  /** When the group gave it up though it was in touch. */
  #givenUpAt = Number.NEGATIVE_INFINITY;
  /** The group may have given it up just before it went on; it hears of that when it reads again. */
  #wasSlow = false;
  /** Under which it was last assigned something. */
  #memberId: string | undefined;
  /** When its connection was last cut. */
  #cutAt = Number.NEGATIVE_INFINITY;
  /** Its connection was cut before the gateway could hear that it knows who it is: such a member is not kept. */
  #unheard = false;
  /** Since when its link has stalled. */
  #heldSince: number | undefined;

  constructor(config: StandingConfig, log: ModelLog) {
    this.#config = config;
    this.#log = log;
    this.#idleSince = this.#now;
  }

  /** It comes back for more, perhaps too late. */
  beginsToRead(): void {
    if (this.#now - this.#idleSince < this.#config.maxPollIntervalMs) return;
    this.#givenUpAt = this.#now;
    this.#wasSlow = true;
  }
  endsToRead(): void {
    this.#idleSince = this.#now;
  }
  /** When what waits for its acknowledgement was handed out: what waits too long may cost the membership, which it is only about to hear. */
  hasInHand(since: readonly number[]): void {
    if (this.#now - Math.min(...since) >= this.#config.maxPollIntervalMs) this.#givenUpAt = this.#now;
  }
  wasAssigned(memberId: string | undefined): void {
    if (memberId === this.#memberId) return;
    this.#memberId = memberId;
    this.#unheard = !this.#config.fixed && this.#now - this.#cutAt <= this.#log.gateway.latencyMs;
  }
  /** Its link stalls, or moves again. */
  hold(on: boolean): void {
    if (on) this.isOutOfReach();
    this.#heldSince = on ? (this.#heldSince ?? this.#now) : undefined;
  }
  isOutOfReach(): void {
    this.#isDoubtful = true;
  }
  cut(): void {
    this.#cutAt = this.#now;
  }
  /** Its session is about to be ended. */
  expire(): void {
    this.#isDoubtful = true;
    this.#givenUpAt = this.#now;
  }

  /** Nothing that ended its session can be on its way to it still. */
  get isTold(): boolean {
    const toldAt = this.#givenUpAt + 2 * this.#log.gateway.latencyMs;
    return this.#now > toldAt && (this.#heldSince === undefined || this.#heldSince > toldAt);
  }
  /** Asked once for each loss: whether there was a reason for it. */
  mayLose(): boolean {
    if (this.#isDoubtful || this.#isSlow || this.#unheard) return true;
    const wasSlow = this.#wasSlow;
    this.#wasSlow = false;
    return wasSlow;
  }

  /** It has been at its work for longer than the group waits. */
  get #isSlow(): boolean {
    const { acknowledges, maxPollIntervalMs, rebalanceTimeoutMs } = this.#config;
    return acknowledges || this.#now - this.#idleSince >= Math.min(maxPollIntervalMs, rebalanceTimeoutMs);
  }
  get #now(): number {
    return this.#log.gateway.clock.now();
  }
}
