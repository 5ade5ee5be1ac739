// gzip through the runtime's compression streams, with a bound on what comes out. Knows nothing of batches.
import { readUint32 } from './bytes.ts';
import { LogError } from './errors.ts';

/** Both streams of the runtime have this shape: bytes in, bytes out. */
type ByteStream = InstanceType<typeof CompressionStream>;

/** A runtime may inflate a whole chunk before anyone can stop it, up to a thousandfold: so chunks are small. */
const CHUNK_BYTES = 16 * 1024;
/** Header and trailer of the smallest gzip member, and where its length field stands from the end. */
const MIN_GZIP_BYTES = 18;

export function gzip(bytes: Uint8Array): Promise<Uint8Array> {
  return pipe(new CompressionStream('gzip'), bytes, Number.POSITIVE_INFINITY);
}

/** One gzip member. Rejects with RECORD_TOO_LARGE before more than about `maxBytes` exist, else with what the runtime says is wrong. */
export async function gunzip(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  const plain = await pipe(new DecompressionStream('gzip'), bytes, maxBytes);
  // Some runtimes overlook bytes after the member; then the last four are not its length.
  if (bytes.length < MIN_GZIP_BYTES || readLittleEndian(bytes, bytes.length - 4) !== plain.length) {
    throw new LogError('CORRUPT_MESSAGE', 'bytes follow the gzip data');
  }
  return plain;
}

async function pipe(stream: ByteStream, input: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  const reader = stream.readable.getReader();
  // Settles with its error rather than by it: when it fails, reading fails as well, maybe a moment later.
  const writing = write(stream.writable.getWriter(), input).then(
    () => undefined,
    (error: unknown) => error,
  );
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || value === undefined) break;
      size += value.length;
      if (size > maxBytes) throw new LogError('RECORD_TOO_LARGE', `more than ${maxBytes} bytes came out`);
      chunks.push(value);
    }
  } catch (error) {
    // Cancelling makes the pending write fail, and with it the loop that writes; the first error is the one to tell.
    await Promise.allSettled([reader.cancel(error), writing]);
    throw error;
  }
  const writeError = await writing;
  if (writeError !== undefined) throw writeError;
  if (chunks.length === 1 && chunks[0] !== undefined) return chunks[0];
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

async function write(writer: ReturnType<ByteStream['writable']['getWriter']>, input: Uint8Array): Promise<void> {
  for (let at = 0; at < input.length; at += CHUNK_BYTES) {
    // A copy: the runtime may still read it after the caller has its buffer back.
    await writer.write(new Uint8Array(input.subarray(at, at + CHUNK_BYTES)));
  }
  await writer.close();
}

function readLittleEndian(bytes: Uint8Array, at: number): number {
  const bigEndian = readUint32(bytes, at);
  return ((bigEndian >>> 24) | ((bigEndian >>> 8) & 0xff00) | ((bigEndian << 8) & 0xff0000) | (bigEndian << 24)) >>> 0;
}
