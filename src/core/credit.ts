// How much the gateway may send: one window for each partition, one limit over all. Pure arithmetic on bytes and milliseconds; knows nothing of frames.

/** Where a window begins, bytes. */
export const INITIAL_WINDOW_BYTES = 256 * 1024;
/** A window never holds more than the application takes in this time. */
const MAX_WINDOW_MS = 2_000;
/** Round trips below this are not told apart: a turn of the event loop takes about as long. */
const MIN_ROUND_TRIP_MS = 5;

/** The credit of one open partition, cumulative since its epoch began. */
export class PartitionWindow {
  /** Bytes that may be on their way or buffered at once. */
  window: number;
  /** The limit the gateway was last told. */
  granted = 0;
  #released = 0;
  #releasedAtGrant = 0;
  #grantedAt = 0;

  constructor(maxWindow: number) {
    this.window = Math.max(1, Math.min(INITIAL_WINDOW_BYTES, maxWindow));
  }

  /** A new epoch, in which `buffered` bytes of earlier ones are still waiting. Returns its first limit, which may be 0. */
  open(buffered: number, maxWindow: number, now: number): number {
    this.window = Math.max(1, Math.min(this.window, maxWindow));
    // What waits from before counts against the window, so the credit of this epoch grows as it is taken.
    this.#released = -buffered;
    this.#releasedAtGrant = this.#released;
    this.#grantedAt = now;
    this.granted = Math.max(0, this.window - buffered);
    return this.granted;
  }
  /** Bytes were delivered or dropped. */
  release(bytes: number): void {
    this.#released += bytes;
  }
  /** The limit to tell the gateway, or undefined while less than a quarter of the window has been taken. */
  grant(now: number, roundTripMs: number | undefined, maxWindow: number): number | undefined {
    const taken = this.#released - this.#releasedAtGrant;
    if (taken * 4 < this.window && this.window <= maxWindow) return undefined;
    const elapsedMs = Math.max(1, now - this.#grantedAt);
    const bytesPerMs = taken / elapsedMs;
    const windowMs = this.window / Math.max(bytesPerMs, 1e-9);
    if (windowMs < 4 * Math.max(roundTripMs ?? MIN_ROUND_TRIP_MS, MIN_ROUND_TRIP_MS)) {
      this.window = Math.min(this.window * 2, Math.max(this.window, bytesPerMs * MAX_WINDOW_MS));
    } else if (windowMs > 2 * MAX_WINDOW_MS && this.window > INITIAL_WINDOW_BYTES) {
      this.window = Math.max(INITIAL_WINDOW_BYTES, this.window / 2);
    }
    this.window = Math.max(1, Math.floor(Math.min(this.window, maxWindow)));
    this.#releasedAtGrant = this.#released;
    this.#grantedAt = now;
    const limit = this.#released + this.window;
    if (limit <= this.granted) return undefined; // A limit never falls; it stands still until the window has shrunk.
    this.granted = limit;
    return limit;
  }
}

/** The credit of the whole consumer, cumulative since the connection began. */
export class ConsumerCredit {
  readonly maxBytes: number;
  /** The most that may be on its way, bytes. */
  readonly maxInFlight: number;
  /** Undelivered bytes held here, decompressed where they are. */
  held = 0;
  #received = 0;
  #granted = 0;

  constructor(maxBytes: number, maxInFlight: number) {
    this.maxBytes = maxBytes;
    this.maxInFlight = Math.min(maxBytes, maxInFlight);
  }

  /** Bytes the gateway may still send. */
  get outstanding(): number {
    return Math.max(0, this.#granted - this.#received);
  }
  /** A new connection: nothing is on its way. */
  restart(): void {
    this.#received = 0;
    this.#granted = 0;
  }
  receive(bytes: number): void {
    this.#received += bytes;
    this.held += bytes;
  }
  release(bytes: number): void {
    this.held -= bytes;
  }
  /** The limit as it stands, for an open. */
  get granted(): number {
    return this.#granted;
  }
  /**
   * The limit to tell the gateway, or undefined while it is hardly more than the last one.
   * `starving`: a partition that is wanted has nothing, so one batch is let through even if others fill the bound.
   */
  grant(starving: boolean, eager: boolean): number | undefined {
    const room = Math.min(this.maxBytes - this.held, this.maxInFlight);
    let limit = this.#received + Math.max(0, room);
    if (starving && limit <= this.#received) limit = this.#received + 1;
    const raise = limit - this.#granted;
    // A limit that lets nothing through need not travel.
    if (raise <= 0 || limit <= this.#received) return undefined;
    if (!eager && !starving && raise * 8 < this.maxInFlight) return undefined;
    this.#granted = limit;
    return limit;
  }
}
