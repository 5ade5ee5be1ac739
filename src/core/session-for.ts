// From a client's configuration to its session: its own, or the one it shares. Knows nothing of what the session is used for.
import * as z from 'zod/mini';
import { LogError } from '../protocol/index.ts';
import { parseBootstrapServers } from './bootstrap.ts';
import { type ClientConfig, clientConfigShape, parseConfig } from './config.ts';
import { RELEASED, SESSION, type Session, type WithSession } from './session.ts';
import { createSession } from './session-impl.ts';
import { systemClock, systemRandom } from './system-clock.ts';

/** Whatever else the configuration is for, others check. */
const ownSchema = z.object(clientConfigShape);

/**
 * The session to use, counted as in use until `release`, which closes it 1000 when nobody else uses it.
 * Keys other than those of ClientConfig are not looked at. Throws INVALID_CONFIG. Does not dial.
 */
export function sessionFor(config: ClientConfig & WithSession): {
  readonly session: Session;
  release(): Promise<void>;
} {
  const session = config[SESSION] ?? open(config);
  const release = session.retain();
  return {
    session,
    release: () => {
      config[RELEASED]?.();
      return release();
    },
  };
}

function open(config: ClientConfig): Session {
  const parsed = parseConfig('client', ownSchema, config);
  const { transport, reconnectBackoffMs } = parsed;
  if (transport === undefined) {
    throw new LogError('INVALID_CONFIG', 'client: transport is missing; distributedlog/core has none of its own');
  }
  return createSession({
    transport,
    urls: parseBootstrapServers(parsed.bootstrapServers, {
      server: transport.defaultServer,
      scheme: transport.defaultScheme,
    }),
    clientId: parsed.clientId,
    token: parsed.token,
    decompressors: parsed.decompressors,
    requestTimeoutMs: parsed.requestTimeoutMs,
    reconnectBackoffMs,
    reconnectBackoffMaxMs: Math.max(parsed.reconnectBackoffMaxMs, reconnectBackoffMs),
    clock: parsed.clock ?? systemClock,
    random: parsed.random ?? systemRandom,
  });
}
