// How consumed records are printed: kcat's format strings, and JSON lines. Knows nothing of consumers or streams.
import { isUtf8 } from 'node:buffer';
import type { ConsumerRecord, RecordHeader } from 'distributedlog';
import { UsageError } from './failure.ts';

export type Format = (record: ConsumerRecord) => Uint8Array;

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '\0', '\\': '\\' };
const empty = Buffer.alloc(0);
const FIELDS: Readonly<Record<string, (record: ConsumerRecord) => Uint8Array | string>> = {
  t: ({ topic }) => topic,
  p: ({ partition }) => String(partition),
  o: ({ offset }) => String(offset),
  k: ({ key }) => key ?? empty,
  v: ({ value }) => value ?? empty,
  s: ({ value }) => value ?? empty,
  K: ({ key }) => String(key?.length ?? -1),
  S: ({ value }) => String(value?.length ?? -1),
  T: ({ timestamp }) => String(timestamp),
  h: ({ headers }) =>
    headers
      .map(({ key, value }) => `${key}=${value === null ? 'NULL' : Buffer.from(value).toString('utf8')}`)
      .join(','),
};

/** What the fields of a format are, for help and errors. */
export const FORMAT_FIELDS =
  '%t topic, %p partition, %o offset, %k key, %v (or %s) value, %T timestamp (ms), %h headers, %K and %S the lengths of key and value (-1: null), %% a percent sign';

/** Throws UsageError naming a field or an escape that there is not. Keys and values are printed as the bytes they are. */
export function parseFormat(text: string): Format {
  const parts: (string | ((record: ConsumerRecord) => Uint8Array | string))[] = [];
  for (let i = 0; i < text.length; i++) {
    const [char = '', next = ''] = [text[i], text[i + 1]];
    if (char === '\\') {
      const hex = /^x([0-9a-fA-F]{2})/.exec(text.slice(i + 1))?.[1];
      const escaped = hex === undefined ? ESCAPES[next] : String.fromCharCode(Number.parseInt(hex, 16));
      if (escaped === undefined)
        throw new UsageError(`--format: unknown escape \\${next}; known: \\n \\t \\r \\0 \\xNN \\\\`);
      parts.push(escaped);
      i += hex === undefined ? 1 : 3;
    } else if (char === '%') {
      const field = next === '%' ? '%' : FIELDS[next];
      if (field === undefined) throw new UsageError(`--format: unknown field %${next}; known: ${FORMAT_FIELDS}`);
      parts.push(field);
      i++;
    } else parts.push(char);
  }
  return (record) =>
    Buffer.concat(
      parts.map((part) => {
        const piece = typeof part === 'string' ? part : part(record);
        return typeof piece === 'string' ? Buffer.from(piece) : piece;
      }),
    );
}

type Encoded = { readonly text: string | null; readonly base64: boolean };
function encode(bytes: Uint8Array | null): Encoded {
  if (bytes === null) return { text: null, base64: false };
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const base64 = !isUtf8(buffer);
  return { text: buffer.toString(base64 ? 'base64' : 'utf8'), base64 };
}
function headerJson({ key, value }: RecordHeader) {
  const { text, base64 } = encode(value);
  return { key, value: text, ...(base64 ? { encoding: 'base64' } : {}) };
}
/** One object a line. What is not UTF-8 is base64, and `keyEncoding`, `valueEncoding` or a header's `encoding` says so. */
export const jsonFormat: Format = ({ topic, partition, offset, timestamp, timestampType, key, value, headers }) => {
  const [k, v] = [encode(key), encode(value)];
  const object = {
    topic,
    partition,
    offset,
    timestamp,
    timestampType,
    key: k.text,
    ...(k.base64 ? { keyEncoding: 'base64' } : {}),
    value: v.text,
    ...(v.base64 ? { valueEncoding: 'base64' } : {}),
    headers: headers.map(headerJson),
  };
  return Buffer.from(`${JSON.stringify(object)}\n`);
};
