// Time and chance as parameters, so that tests own them.

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls back once after `delayMs`, however long that is; the returned function cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}
/** Uniform in [0, 1), as Math.random. */
export type Random = () => number;
