// How a gateway greets a client: who it is, which log it has and what it allows. Knows nothing of what the client said.
import { PROTOCOL_VERSION, type ServerFrameOf } from '../protocol/index.ts';
import type { ServerSessionOptions } from './session-port.ts';

export function welcome(
  sessionId: string,
  logId: string,
  { server, limits }: Pick<ServerSessionOptions, 'server' | 'limits'>,
): ServerFrameOf<'welcome'> {
  const { heartbeatIntervalMs, heartbeatTimeoutMs, maxFrameBytes, maxTextFrameBytes, maxBatchBytes, maxConsumers } =
    limits;
  return {
    type: 'welcome',
    version: PROTOCOL_VERSION,
    sessionId,
    logId,
    server: { name: server.name, version: server.version },
    heartbeatIntervalMs,
    heartbeatTimeoutMs,
    limits: { maxFrameBytes, maxTextFrameBytes, maxBatchBytes, maxConsumers },
  };
}
