// Whether what comes over a connection can be answers of a broker: each begins with its length. Pure.
const LENGTH_BYTES = 4;
/** What every answer has. */
const CORRELATION_ID_BYTES = 4;
/** More than any answer to what is asked here; less than what the first letters of other protocols would be. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

export class AnswerLengths {
  /** Bytes that the present answer still has. */
  #left = 0;
  #length = 0;
  #lengthBytes = 0;

  /** Throws where an answer cannot be as long as it says. */
  check(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#left > 0) {
        const passed = Math.min(this.#left, chunk.length - at);
        this.#left -= passed;
        at += passed;
        continue;
      }
      this.#length = (this.#length << 8) | (chunk[at++] ?? 0);
      if (++this.#lengthBytes < LENGTH_BYTES) continue;
      if (this.#length < CORRELATION_ID_BYTES || this.#length > MAX_ANSWER_BYTES) {
        throw new Error(`What answers does not speak Kafka's protocol: ${this.#length} is no length of an answer`);
      }
      this.#left = this.#length;
      this.#length = 0;
      this.#lengthBytes = 0;
    }
  }
}
