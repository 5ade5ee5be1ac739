// Text frames to typed control frames and back, with the checks that must come before JSON.parse and zod. Knows nothing of sockets.
import * as z from 'zod/mini';
import { type ClientFrame, clientFrame } from './client-frames.ts';
import { describeClientIssue } from './client-issues.ts';
import { LogError } from './errors.ts';
import { describeIssues, type Issue } from './issues.ts';
import { PROTOCOL_LIMITS } from './limits.ts';
import { isServerFrameType, type ServerFrame, serverFrames } from './server-frames.ts';

/**
 * Parses and validates what a client sent. Throws INVALID_REQUEST for a frame that is too long (in UTF-16 units, so that a frame within
 * `maxBytes` always passes), is not JSON, is nested deeper than 64, has an unknown type or key, or a value that is not allowed; the message
 * names the field and what is allowed there.
 */
export function parseClientFrame(text: string, maxBytes: number = PROTOCOL_LIMITS.maxTextFrameBytes): ClientFrame {
  if (text.length > maxBytes) throw invalid(`The frame has ${text.length} characters; allowed are ${maxBytes} bytes.`);
  if (isTooDeep(text)) throw invalid(`The frame is nested deeper than ${PROTOCOL_LIMITS.maxJsonDepth}.`);
  const json = parseJson(text);
  const result = clientFrame.safeParse(json);
  if (result.success) return result.data;
  const describe = (issue: Issue, found: string) => describeClientIssue(issue, found, json, clientFrame);
  throw invalid(`${nameOf(json)} is malformed: ${describeIssues(result.error.issues, json, describe)}.`);
}

/** The `id` of a frame that parseClientFrame refused, if it is readable. Never throws. */
export function readFrameId(text: string): number | undefined {
  if (isTooDeep(text)) return undefined;
  try {
    const json: unknown = JSON.parse(text);
    const id = typeof json === 'object' && json !== null && 'id' in json ? json.id : undefined;
    return typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < 2 ** 31 ? id : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Parses and validates what a gateway sent. `undefined`: a type this version does not know, to be ignored; unknown keys are ignored as well,
 * since a newer gateway may say more. Throws INVALID_REQUEST as {@link parseClientFrame}, without bounds on length and depth.
 */
export function parseServerFrame(text: string): ServerFrame | undefined {
  const json = parseJson(text);
  const type = typeOf(json);
  if (type === undefined) throw invalid('The frame is malformed: it is no object with a "type".');
  if (!isServerFrameType(type)) return undefined;
  const result = z.safeParse(serverFrames[type], json);
  if (result.success) return { type, ...result.data } as ServerFrame;
  throw invalid(`${nameOf(json)} is malformed: ${describeIssues(result.error.issues, json)}.`);
}

export function encodeClientFrame(frame: ClientFrame): string {
  return JSON.stringify(frame);
}
export function encodeServerFrame(frame: ServerFrame): string {
  return JSON.stringify(frame);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LogError('INVALID_REQUEST', 'The frame is not JSON; a control frame is one JSON object with a "type".', {
      cause: error,
    });
  }
}

/** Counts brackets outside strings, so that depth is known before anything recurses. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (inString) {
      if (char === 0x5c) i++;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b || char === 0x5b) {
      if (++depth > PROTOCOL_LIMITS.maxJsonDepth) return true;
    } else if (char === 0x7d || char === 0x5d) depth--;
  }
  return false;
}

function typeOf(json: unknown): string | undefined {
  return typeof json === 'object' && json !== null && 'type' in json && typeof json.type === 'string'
    ? json.type
    : undefined;
}

function nameOf(json: unknown): string {
  const type = typeOf(json);
  return type === undefined ? 'The frame' : `The frame of type ${JSON.stringify(type.slice(0, 40))}`;
}

function invalid(message: string): LogError {
  return new LogError('INVALID_REQUEST', message);
}
