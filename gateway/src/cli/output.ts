// Writing to stdout without outrunning its reader, and tables. Knows nothing of records.

/** Whoever read our output has gone: `dlog consume t | head` ends this way. */
export class BrokenPipe extends Error {}

export class Output {
  readonly #stream: NodeJS.WritableStream;
  #broken = false;
  #wake: (() => void) | undefined;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
    stream.on('error', this.#onError);
    stream.on('drain', this.#onDrain);
  }

  /** Resolves when there is room for more. Rejects with BrokenPipe once nobody reads any more. */
  async write(chunk: Uint8Array | string): Promise<void> {
    if (this.#broken) throw new BrokenPipe();
    if (chunk.length > 0 && !this.#stream.write(chunk)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#broken) throw new BrokenPipe();
  }
  /** Resolves when all has been handed to the system. */
  async end(): Promise<void> {
    await new Promise<void>((resolve) => {
      if (this.#broken) resolve();
      else this.#stream.write('', () => resolve());
    });
    this.#stream.off('drain', this.#onDrain);
    // Its error listener stays: a reader may go away even after the last byte.
  }

  readonly #onDrain = (): void => {
    this.#wake?.();
    this.#wake = undefined;
  };
  readonly #onError = (error: NodeJS.ErrnoException): void => {
    this.#broken = true;
    this.#onDrain();
    if (error.code !== 'EPIPE') process.stderr.write(`dlog: cannot write to stdout: ${error.message}\n`);
  };
}

/** To stdout, all of it. */
export async function print(text: string): Promise<void> {
  const output = new Output(process.stdout);
  await output.write(text);
  await output.end();
}
export const json = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;

/** Columns padded to their widest cell; numbers to the right; null is a dash, in a column of either kind. */
export function table(head: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  const cells = [head, ...rows.map((row) => row.map((cell) => String(cell ?? '-')))];
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  const isNumber = head.map((_, i) => rows.some((row) => typeof row[i] === 'number'));
  const lines = cells.map((row) =>
    row.map((cell, i) => (isNumber[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0))).join('  '),
  );
  return lines.map((text) => `${text.trimEnd()}\n`).join('');
}
