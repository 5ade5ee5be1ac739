// How a gateway greets a client: who it is, which log it has and what it allows. Knows nothing of what the client said.
import { PROTOCOL_VERSION, type ServerFrameOf } from '../protocol/index.ts';
import type { ServerSessionOptions } from './session-port.ts';

export function welcome(
  sessionId: string,
  { log, server, limits }: Pick<ServerSessionOptions, 'log' | 'server' | 'limits'>,
): ServerFrameOf<'welcome'> {
  const { heartbeatIntervalMs, heartbeatTimeoutMs, maxFrameBytes, maxTextFrameBytes, maxBatchBytes, maxConsumers } =
    limits;
  return {
    type: 'welcome',
    version: PROTOCOL_VERSION,
    sessionId,
    logId: log.logId,
    server: { name: server.name, version: server.version },
    heartbeatIntervalMs,
    heartbeatTimeoutMs,
    limits: { maxFrameBytes, maxTextFrameBytes, maxBatchBytes, maxConsumers },
  };
}
