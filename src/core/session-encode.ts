// How requests become frames, once they have their number. Knows nothing of when they are sent.
import { encodeClientFrame, encodeProduceFrame, LogError } from '../protocol/index.ts';
import type { Request } from './session-requests.ts';
import type { Unnumbered } from './session-split.ts';

export function controlRequest(frame: Unnumbered): Request {
  return { type: frame.type, encode: (id) => encodeClientFrame({ ...frame, id }) };
}

/** `maxFrameBytes` is asked for each sending, since each connection has its own: RECORD_TOO_LARGE where the batch does not fit. */
export function produceRequest(
  topicId: string,
  partition: number,
  batch: Uint8Array,
  maxFrameBytes: () => number,
): Request {
  return {
    type: 'produce',
    encode: (id) => {
      const frame = encodeProduceFrame(id, topicId, partition, batch);
      const allowed = maxFrameBytes();
      if (frame.length <= allowed) return frame;
      const message = `a batch of ${batch.length} bytes does not fit into a frame of ${allowed} bytes`;
      throw new LogError('RECORD_TOO_LARGE', message, { partition });
    },
  };
}
