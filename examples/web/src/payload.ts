// Tells what bytes are (JSON, text, binary) and shows them: a bounded one-line preview, a hex dump. Knows nothing of the page.

export type PayloadKind = 'null' | 'empty' | 'json' | 'text' | 'binary';

const strict = new TextDecoder('utf-8', { fatal: true });
const lenient = new TextDecoder();

/** Bytes that a preview looks at, so that a row costs the same however large its value is. */
const PREVIEW_BYTES = 320;

function looksBinary(bytes: Uint8Array): boolean {
  for (const byte of bytes) {
    if (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) return true;
  }
  return false;
}

/** The text, or undefined when the bytes are not UTF-8 or hold control characters. */
export function decodeText(bytes: Uint8Array): string | undefined {
  if (looksBinary(bytes)) return undefined;
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

export interface Preview {
  readonly kind: 'null' | 'empty' | 'text' | 'binary';
  readonly text: string;
}

/** One line for a table cell. */
export function preview(bytes: Uint8Array | null): Preview {
  if (bytes === null) return { kind: 'null', text: '' };
  if (bytes.length === 0) return { kind: 'empty', text: '' };
  const head = bytes.length > PREVIEW_BYTES ? bytes.subarray(0, PREVIEW_BYTES) : bytes;
  if (looksBinary(head)) return { kind: 'binary', text: hexBytes(head, 24) };
  const text = lenient.decode(head);
  // A cut may fall inside a character; only its last few units can be damaged.
  const damaged = bytes.length > PREVIEW_BYTES ? text.slice(0, -4) : text;
  if (damaged.includes('\ufffd')) return { kind: 'binary', text: hexBytes(head, 24) };
  const line = damaged.replace(/\s+/g, ' ');
  return { kind: 'text', text: bytes.length > PREVIEW_BYTES ? `${line}…` : line };
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** The first `most` bytes as 'de ad be ef…'. */
export function hexBytes(bytes: Uint8Array, most: number): string {
  const shown = Array.from(bytes.subarray(0, most), (byte) => HEX[byte]).join(' ');
  return bytes.length > most ? `${shown} …` : shown;
}

/** Lines of offset, 16 bytes in hex, and what of them is printable; at most `most` bytes. */
export function hexDump(bytes: Uint8Array, most = 4096): string {
  const lines: string[] = [];
  const end = Math.min(bytes.length, most);
  for (let start = 0; start < end; start += 16) {
    const row = bytes.subarray(start, Math.min(start + 16, end));
    const hex = Array.from(row, (byte, index) => (index === 8 ? ` ${HEX[byte]}` : HEX[byte])).join(' ');
    const text = Array.from(row, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·')).join('');
    lines.push(`${start.toString(16).padStart(6, '0')}  ${hex.padEnd(48)}  ${text}`);
  }
  return lines.join('\n');
}

/** What the bytes are, as closely as can be told. JSON is tried up to `maxJsonBytes`, so that a look at a huge value stays quick. */
export function classify(
  bytes: Uint8Array | null,
  maxJsonBytes = 256 * 1024,
): { readonly kind: PayloadKind; readonly text: string } {
  if (bytes === null) return { kind: 'null', text: '' };
  if (bytes.length === 0) return { kind: 'empty', text: '' };
  const text = decodeText(bytes);
  if (text === undefined) return { kind: 'binary', text: '' };
  return { kind: bytes.length <= maxJsonBytes && isJson(text) ? 'json' : 'text', text };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
