// Text frames to typed control frames and back, with the checks that must come before JSON.parse and zod.
import type { ClientFrame } from './client-frames.ts';
import type { ServerFrame } from './server-frames.ts';

/** Parses and validates. Throws INVALID_REQUEST (malformed, too deep, wrong shape: names the field) with what is allowed. */
export function parseClientFrame(text: string): ClientFrame {
  throw new Error(`not implemented ${text}`);
}
/** The `id` of a frame that parseClientFrame refused, if it is readable. */
export function readFrameId(text: string): number | undefined {
  throw new Error(`not implemented ${text}`);
}
export function parseServerFrame(text: string): ServerFrame {
  throw new Error(`not implemented ${text}`);
}
export function encodeClientFrame(frame: ClientFrame): string {
  return JSON.stringify(frame);
}
export function encodeServerFrame(frame: ServerFrame): string {
  return JSON.stringify(frame);
}
