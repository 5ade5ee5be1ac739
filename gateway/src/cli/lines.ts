// Splits a stream of bytes into lines, as bytes. Knows nothing of records.

const NEWLINE = 0x0a;

/** A line that is longer than allowed. */
export class LineTooLong extends Error {}

export class LineSplitter {
  readonly #maxBytes: number;
  #rest: Uint8Array[] = [];
  #restBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that end in `chunk`, without their newlines. Throws LineTooLong. */
  push(chunk: Uint8Array): Uint8Array[] {
    const lines: Uint8Array[] = [];
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      this.#keep(chunk.subarray(from, end));
      lines.push(this.#take());
      from = end + 1;
    }
    this.#keep(chunk.subarray(from));
    return lines;
  }
  /** What came after the last newline, if anything. */
  end(): Uint8Array | undefined {
    return this.#restBytes === 0 ? undefined : this.#take();
  }

  #keep(part: Uint8Array): void {
    this.#restBytes += part.length;
    if (this.#restBytes > this.#maxBytes) {
      throw new LineTooLong(`a line is longer than ${this.#maxBytes} bytes, the most a record can have`);
    }
    if (part.length > 0) this.#rest.push(part);
  }
  #take(): Uint8Array {
    const line = this.#rest.length === 1 ? (this.#rest[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#rest);
    this.#rest = [];
    this.#restBytes = 0;
    return line;
  }
}
