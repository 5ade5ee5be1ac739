// Cuts requests whose lists are longer than a frame may be, and puts the answers together again. Knows nothing of sending them.
import { type ClientFrameOf, LogError, PROTOCOL_LIMITS, type ServerFrame } from '../protocol/index.ts';
import type { FetchChannel, RequestType } from './session.ts';

/** A request without its number. */
export type Unnumbered = WithoutId<ClientFrameOf<RequestType>>;
type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;
type FetchFrame = Parameters<FetchChannel['send']>[0];

/** The list of each request that may be cut. The answer has one of the same name, except where noted in mergeReplies. */
const LISTS: { readonly [T in RequestType]?: string } = {
  metadata: 'topics',
  listOffsets: 'partitions',
  commit: 'offsets',
  committed: 'partitions',
};

/** `maxBytes` bounds the encoded frame. Throws INVALID_REQUEST where one item alone is too large. */
export function splitRequest(frame: Unnumbered, maxBytes: number): Unnumbered[] {
  const key = LISTS[frame.type];
  const items: unknown = key === undefined ? undefined : Reflect.get(frame, key);
  if (key === undefined || !Array.isArray(items)) {
    checkSize(frame, maxBytes);
    return [frame];
  }
  const rest = utf8Bytes(JSON.stringify({ ...frame, [key]: [], id: 2 ** 31 - 1 }));
  const parts: unknown[][] = [];
  let part: unknown[] = [];
  let bytes = rest;
  for (const item of items) {
    const itemBytes = utf8Bytes(JSON.stringify(item)) + 1;
    if (part.length > 0 && (bytes + itemBytes > maxBytes || part.length >= PROTOCOL_LIMITS.maxPartitionsPerFrame)) {
      parts.push(part);
      part = [];
      bytes = rest;
    }
    part.push(item);
    bytes += itemBytes;
  }
  parts.push(part);
  if (parts.length === 1) {
    checkSize(frame, maxBytes);
    return [frame];
  }
  return parts.map((list) => {
    const cut = { ...frame, [key]: list };
    checkSize(cut, maxBytes);
    return cut;
  });
}

/** Answers of the parts, in order, as one. */
export function mergeReplies(replies: readonly ServerFrame[]): ServerFrame {
  const [first, ...others] = replies;
  if (first === undefined) throw new LogError('ILLEGAL_STATE', 'there is no reply to merge');
  return others.reduce((merged, next) => {
    if (merged.type === 'metadata' && next.type === 'metadata') {
      const errors = [...(merged.errors ?? []), ...(next.errors ?? [])];
      return { ...merged, topics: [...merged.topics, ...next.topics], ...(errors.length === 0 ? {} : { errors }) };
    }
    if (merged.type === 'listOffsets' && next.type === 'listOffsets') {
      return { ...merged, partitions: [...merged.partitions, ...next.partitions] };
    }
    if (merged.type === 'commit' && next.type === 'commit') {
      return { ...merged, partitions: [...merged.partitions, ...next.partitions] };
    }
    if (merged.type === 'committed' && next.type === 'committed') {
      return { ...merged, partitions: [...merged.partitions, ...next.partitions] };
    }
    return merged;
  }, first);
}

/** Frames without an answer. What a member owns is one statement and cannot be cut. */
export function splitFetchFrame(frame: FetchFrame): FetchFrame[] {
  const size = PROTOCOL_LIMITS.maxPartitionsPerFrame;
  switch (frame.type) {
    case 'fetch':
      return chunks(frame.partitions, size).map((partitions) => ({ ...frame, partitions }));
    case 'credit':
      return chunks(frame.partitions, size).map((partitions) => ({ ...frame, partitions }));
    case 'fetchClose':
      if (frame.partitions === undefined) return [frame];
      return chunks(frame.partitions, size).map((partitions) => ({ ...frame, partitions }));
    case 'owned':
      return [frame];
  }
}

function chunks<T>(list: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from === 0 || from < list.length; from += size) parts.push(list.slice(from, from + size));
  return parts;
}

function checkSize(frame: Unnumbered, maxBytes: number): void {
  const bytes = utf8Bytes(JSON.stringify({ ...frame, id: 2 ** 31 - 1 }));
  if (bytes <= maxBytes) return;
  throw new LogError('INVALID_REQUEST', `${frame.type}: the request has ${bytes} bytes, allowed are ${maxBytes}`);
}

function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // A pair of surrogates is four bytes; JSON.stringify escapes lone ones.
    if (unit >= 0x800 && (unit < 0xd800 || unit > 0xdfff)) bytes += 2;
    else if (unit >= 0x80) bytes += 1;
  }
  return bytes;
}
