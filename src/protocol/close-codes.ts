// Why a WebSocket of dlog.v1 is closed, and whether the client may come back. Knows nothing of sockets.

/** 4000–4499 are final, 4500–4999 (and every code not listed, such as 1006) mean: reconnect. 1000 and 1009 are final. */
export const CLOSE_CODES = {
  NORMAL: { code: 1000, meaning: 'The client is done.' },
  MESSAGE_TOO_BIG: { code: 1009, meaning: 'A frame was larger than the limits in welcome allow.' },
  PROTOCOL_VIOLATION: { code: 4400, meaning: 'The first frame was not hello, or too many frames were malformed.' },
  UNAUTHENTICATED: { code: 4401, meaning: 'The token is missing, wrong or expired.' },
  ORIGIN_FORBIDDEN: { code: 4403, meaning: 'Pages of this Origin may not connect; see allowedOrigins.' },
  UNSUPPORTED_VERSION: { code: 4406, meaning: 'The two ends share no protocol version.' },
  FENCED: { code: 4409, meaning: 'Another socket took the session over.' },
  INTERNAL: { code: 4500, meaning: 'The gateway failed in a way it did not expect.' },
  DRAIN: { code: 4503, meaning: 'The gateway is shutting down.' },
  TIMEOUT: { code: 4508, meaning: 'No hello within 10 s, or no answer to a heartbeat within 8 s.' },
  SUSPENDED: { code: 4510, meaning: 'The page is frozen or hidden for good; it dials again when it comes back.' },
  FLOOD: { code: 4529, meaning: 'Requests kept coming far above the rate limit.' },
  TOO_MANY_CONNECTIONS: { code: 4530, meaning: 'The connection limit of this address or of the gateway is reached.' },
  SLOW_READER: { code: 4531, meaning: 'The socket took no bytes for 10 s while data was waiting.' },
} as const satisfies Record<string, { readonly code: number; readonly meaning: string }>;

export type CloseReason = keyof typeof CLOSE_CODES;

/** Whether a client should dial again after a close with this code. */
export function mayReconnect(code: number): boolean {
  return !(code === 1000 || code === 1009 || (code >= 4000 && code <= 4499));
}
