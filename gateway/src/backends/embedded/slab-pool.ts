// Buffers for reads, used again once they are written: the reader is bound by allocation otherwise. Knows nothing of batches.

const SMALLEST = 64 * 1024;

export interface Slab {
  readonly buffer: Uint8Array;
  /** Back into the pool; more than once does nothing. */
  release(): void;
}

/** Keeps at most `maxIdleBytes` of idle slabs; whatever is never released is left to the garbage collector. */
export class SlabPool {
  private readonly maxIdleBytes: number;
  private idleBytes = 0;
  private readonly idle = new Map<number, Uint8Array[]>();

  constructor(maxIdleBytes: number) {
    this.maxIdleBytes = maxIdleBytes;
  }

  /** At least `bytes`, with whatever content it had. */
  take(bytes: number): Slab {
    let size = SMALLEST;
    while (size < bytes) size *= 2;
    const found = this.idle.get(size)?.pop();
    if (found !== undefined) this.idleBytes -= size;
    const buffer = found ?? Buffer.allocUnsafeSlow(size);
    let released = false;
    return {
      buffer,
      release: () => {
        if (released) return;
        released = true;
        if (this.idleBytes + size > this.maxIdleBytes) return;
        this.idleBytes += size;
        const shelf = this.idle.get(size);
        if (shelf === undefined) this.idle.set(size, [buffer]);
        else shelf.push(buffer);
      },
    };
  }
}
