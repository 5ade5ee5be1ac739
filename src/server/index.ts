// The gateway's side without sockets.
export { DEFAULT_LIMITS, type Limits } from './limits.ts';
export type * from './log.ts';
export type * from './session-port.ts';
