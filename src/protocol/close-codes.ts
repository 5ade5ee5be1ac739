// Why a WebSocket of dlog.v1 is closed, and whether the client may come back. Knows nothing of sockets.

/** What each means is in CLOSE_MEANINGS. 4000–4499 are final, 4500–4999 (and every code not listed, such as 1006) mean: reconnect. 1000 and 1009 are final. */
export const CLOSE_CODES = {
  NORMAL: { code: 1000 },
  MESSAGE_TOO_BIG: { code: 1009 },
  PROTOCOL_VIOLATION: { code: 4400 },
  UNAUTHENTICATED: { code: 4401 },
  ORIGIN_FORBIDDEN: { code: 4403 },
  UNSUPPORTED_VERSION: { code: 4406 },
  FENCED: { code: 4409 },
  INTERNAL: { code: 4500 },
  DRAIN: { code: 4503 },
  LOG_UNAVAILABLE: { code: 4504 },
  TIMEOUT: { code: 4508 },
  SUSPENDED: { code: 4510 },
  FROZEN: { code: 4511 },
  FLOOD: { code: 4529 },
  TOO_MANY_CONNECTIONS: { code: 4530 },
  SLOW_READER: { code: 4531 },
} as const satisfies Record<string, { readonly code: number }>;

export type CloseReason = keyof typeof CLOSE_CODES;

/** Whether a client should dial again after a close with this code. */
export function mayReconnect(code: number): boolean {
  return !(code === 1000 || code === 1009 || (code >= 4000 && code <= 4499));
}
