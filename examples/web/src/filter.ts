// Text search in records without turning them into text: bytes are compared as they are. Knows nothing of the table.

export interface Searchable {
  readonly topic: string;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
}

const decoder = new TextDecoder();
const fold = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte);

/** Whether `needle` (lower-case ASCII) occurs in `bytes`, letters of either case alike. */
export function includesAscii(bytes: Uint8Array, needle: Uint8Array): boolean {
  const first = needle[0];
  if (first === undefined) return true;
  const last = bytes.length - needle.length;
  for (let start = 0; start <= last; start += 1) {
    if (fold(bytes[start] ?? 0) !== first) continue;
    let length = 1;
    while (length < needle.length && fold(bytes[start + length] ?? 0) === needle[length]) length += 1;
    if (length === needle.length) return true;
  }
  return false;
}

/** A predicate for records whose topic, key or value contains the text, letters of either case alike; undefined when the text is empty. */
export function compileFilter(text: string): ((record: Searchable) => boolean) | undefined {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return undefined;
  // Topics repeat, so each name is judged once.
  const topics = new Map<string, boolean>();
  const inTopic = (topic: string): boolean => {
    let answer = topics.get(topic);
    if (answer === undefined) {
      answer = topic.toLowerCase().includes(wanted);
      topics.set(topic, answer);
    }
    return answer;
  };
  const needle = new TextEncoder().encode(wanted);
  const ascii = needle.length === wanted.length;
  // Beyond ASCII, upper and lower case may differ in length, so there the text has to be decoded.
  const inBytes = (bytes: Uint8Array | null): boolean =>
    bytes !== null && (ascii ? includesAscii(bytes, needle) : decoder.decode(bytes).toLowerCase().includes(wanted));
  return (record) => inTopic(record.topic) || inBytes(record.key) || inBytes(record.value);
}
