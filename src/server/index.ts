// The gateway's side without sockets.
export { DEFAULT_LIMITS, type Limits } from './limits.ts';
export type * from './log.ts';
export { randomHex, randomUuid } from './random-id.ts';
export { createServerSession } from './session.ts';
export type * from './session-port.ts';
export { type CheckedTopicSpec, checkTopicName, checkTopicSpec, isInternalTopic, isTopicName } from './topic-spec.ts';
