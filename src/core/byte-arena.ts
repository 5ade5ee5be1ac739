// Copies of small byte strings, side by side in shared buffers: a buffer of its own for each costs more than all else that is done for a record. Knows nothing of what the bytes mean.

const CHUNK_BYTES = 16 * 1024;
/** From here on a buffer of its own is no waste, and would rather waste the rest of a chunk. */
const LARGE_BYTES = CHUNK_BYTES / 8;

/** A copy keeps its chunk alive, and with it up to 16 KiB of its neighbours: for copies that go in about the order they came. */
export class ByteArena {
  readonly #encoder = new TextEncoder();
  #chunk = new Uint8Array(0);
  #at = 0;

  copy(bytes: Uint8Array): Uint8Array {
    // Not the method of a subclass: Buffer’s slice is a view.
    if (bytes.length >= LARGE_BYTES) return Uint8Array.prototype.slice.call(bytes);
    const at = this.#reserve(bytes.length);
    this.#chunk.set(bytes, at);
    return this.#take(bytes.length);
  }
  /** As UTF-8. */
  encode(text: string): Uint8Array {
    // A UTF-16 unit is at most three bytes of UTF-8.
    if (text.length * 3 >= LARGE_BYTES) return this.#encoder.encode(text);
    const at = this.#reserve(text.length * 3);
    return this.#take(this.#encoder.encodeInto(text, this.#chunk.subarray(at)).written);
  }

  /** Where the next copy begins, with room for so many bytes. */
  #reserve(length: number): number {
    if (this.#at + length > this.#chunk.length) {
      this.#chunk = new Uint8Array(CHUNK_BYTES);
      this.#at = 0;
    }
    return this.#at;
  }
  #take(length: number): Uint8Array {
    const begin = this.#at;
    this.#at += length;
    return this.#chunk.subarray(begin, this.#at);
  }
}
