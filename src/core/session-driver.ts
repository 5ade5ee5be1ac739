// Runs the connection machine on a clock: one event at a time, and one timer for what is due. Knows nothing of sockets and frames.
import type { Clock } from './clock.ts';
import type { ConnectionEffect, ConnectionEvent, ConnectionMachine } from './connection-state.ts';

export class ConnectionDriver {
  readonly #machine: ConnectionMachine;
  readonly #clock: Clock;
  readonly #perform: (effect: ConnectionEffect) => void;
  readonly #events: ConnectionEvent[] = [];
  #busy = false;
  #timer: { readonly due: number; readonly stop: () => void } | undefined;

  constructor(machine: ConnectionMachine, clock: Clock, perform: (effect: ConnectionEffect) => void) {
    this.#machine = machine;
    this.#clock = clock;
    this.#perform = perform;
  }

  get url(): string {
    return this.#machine.url;
  }
  /** Whether nothing was ever dialled. */
  get idle(): boolean {
    return this.#machine.phase === 'idle';
  }

  /** A frame came in: cheap, since it is called for each. */
  heard(): void {
    this.#machine.heard(this.#clock.now());
  }

  /** Events that arise while one is handled wait for their turn, so that each sees a settled state. */
  tell(event: ConnectionEvent): void {
    this.#events.push(event);
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        for (const effect of this.#machine.handle(next, this.#clock.now())) this.#perform(effect);
      }
    } finally {
      this.#busy = false;
      this.#arm();
    }
  }

  /** Frames only ever move the deadline later, so a timer that is early looks again and is set anew. */
  #arm(): void {
    const due = this.#machine.deadline;
    if (this.#timer !== undefined && due !== undefined && this.#timer.due <= due) return;
    this.#timer?.stop();
    this.#timer = undefined;
    if (due === undefined || due === Number.POSITIVE_INFINITY) return;
    const stop = this.#clock.after(Math.max(0, due - this.#clock.now()), () => {
      this.#timer = undefined;
      this.tell({ type: 'tick' });
    });
    this.#timer = { due, stop };
  }
}
