// The connections of a gateway: how many there are of each address, and whether one more is allowed. Knows nothing of sockets.
import type { Limits } from 'distributedlog/server';

/** `T` is what stands for a connection. */
export class Connections<T extends object> {
  readonly #limits: Pick<Limits, 'maxConnections' | 'maxConnectionsPerAddress'>;
  readonly #addresses = new Map<T, string>();
  readonly #perAddress = new Map<string, number>();
  readonly #waiting = new Set<() => void>();

  constructor(limits: Pick<Limits, 'maxConnections' | 'maxConnectionsPerAddress'>) {
    this.#limits = limits;
  }
  get size(): number {
    return this.#addresses.size;
  }
  /** Why no connection of that address is allowed now, or undefined. */
  refusal(address: string): string | undefined {
    const { maxConnections, maxConnectionsPerAddress } = this.#limits;
    if (this.size >= maxConnections) return `the gateway has its limit of ${maxConnections} connections`;
    if ((this.#perAddress.get(address) ?? 0) >= maxConnectionsPerAddress) {
      return `this address has its limit of ${maxConnectionsPerAddress} connections`;
    }
    return undefined;
  }
  add(connection: T, address: string): void {
    this.#addresses.set(connection, address);
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
  }
  /** Idempotent. */
  delete(connection: T): void {
    const address = this.#addresses.get(connection);
    if (address === undefined) return;
    this.#addresses.delete(connection);
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(address, left);
    else this.#perAddress.delete(address);
    if (this.size === 0) for (const resolve of this.#waiting) resolve();
  }
  [Symbol.iterator](): IterableIterator<T> {
    return this.#addresses.keys();
  }
  /** Resolves when the last one has gone, after `timeoutMs` at the latest. */
  async whenEmpty(timeoutMs: number): Promise<void> {
    if (this.size === 0) return;
    let finish = () => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    this.#waiting.add(finish);
    const timer = setTimeout(finish, timeoutMs);
    await finished;
    clearTimeout(timer);
    this.#waiting.delete(finish);
  }
}
