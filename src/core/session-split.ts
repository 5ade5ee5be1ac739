// Cuts requests whose lists are longer than a frame may be, and puts the answers together again. Knows nothing of sending them.
import { utf8Bytes } from '../protocol/bytes.ts';
import { type ClientFrameOf, LogError, PROTOCOL_LIMITS, type ServerFrame } from '../protocol/index.ts';
import type { FetchChannel, RequestType } from './session.ts';

/** A request without its number. */
export type Unnumbered = WithoutId<ClientFrameOf<RequestType>>;
type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;
type FetchFrame = Parameters<FetchChannel['send']>[0];

/** A number of the longest kind. */
const MAX_ID = 2 ** 31 - 1;
const MAX_ITEMS = PROTOCOL_LIMITS.maxPartitionsPerFrame;
/** The list of each request that may be cut. The answer has one of the same name, except for commit. */
const LISTS: { readonly [T in RequestType]?: string } = {
  metadata: 'topics',
  listOffsets: 'partitions',
  commit: 'offsets',
  committed: 'partitions',
};

/** `maxBytes` bounds the encoded frame. Throws INVALID_REQUEST where one item alone is too large. */
export function splitRequest(frame: Unnumbered, maxBytes: number): Unnumbered[] {
  const check = (part: Unnumbered): Unnumbered => {
    const bytes = encodedBytes({ ...part, id: MAX_ID });
    if (bytes <= maxBytes) return part;
    throw new LogError('INVALID_REQUEST', `${frame.type}: the request has ${bytes} bytes, allowed are ${maxBytes}`);
  };
  const key = LISTS[frame.type];
  const items: unknown = key === undefined ? undefined : Reflect.get(frame, key);
  if (key === undefined || !Array.isArray(items)) return [check(frame)];
  const room = maxBytes - encodedBytes({ ...frame, [key]: [], id: MAX_ID });
  let part: unknown[] = [];
  const parts = [part];
  let bytes = 0;
  for (const item of items) {
    const itemBytes = encodedBytes(item) + 1;
    if (part.length > 0 && (bytes + itemBytes > room || part.length >= MAX_ITEMS)) {
      parts.push((part = []));
      bytes = 0;
    }
    part.push(item);
    bytes += itemBytes;
  }
  return parts.map((list) => check({ ...frame, [key]: list }));
}

/** Answers of the parts, in order, as one: their lists joined. */
export function mergeReplies([first, ...others]: readonly ServerFrame[]): ServerFrame {
  if (first === undefined) throw new LogError('ILLEGAL_STATE', 'there is no reply to merge');
  const lists: Record<string, unknown[]> = {};
  for (const reply of others) {
    for (const [key, list] of Object.entries(reply)) {
      if (Array.isArray(list)) lists[key] = [...(lists[key] ?? Reflect.get(first, key) ?? []), ...list];
    }
  }
  return Object.assign({ ...first }, lists);
}

/** Frames without an answer. What a member owns is one statement and cannot be cut. */
export function splitFetchFrame(frame: FetchFrame): FetchFrame[] {
  return frame.type === 'owned' ? [frame] : cut(frame);
}
function cut<T extends { partitions?: unknown[] | undefined }>(frame: T): T[] {
  const { partitions } = frame;
  if (partitions === undefined) return [frame];
  const parts: T[] = [];
  for (let from = 0; from === 0 || from < partitions.length; from += MAX_ITEMS) {
    parts.push({ ...frame, partitions: partitions.slice(from, from + MAX_ITEMS) });
  }
  return parts;
}

const encodedBytes = (value: unknown): number => utf8Bytes(JSON.stringify(value));
