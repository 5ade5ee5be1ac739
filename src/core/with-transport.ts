// How an entry point puts its runtime's transport where the application named none. Knows nothing of any runtime.
import type { ClientConfig } from './config.ts';
import { SESSION } from './session.ts';
import type { Transport } from './transport.ts';

/** `config` with the transport of `make`, unless it has one, shares a connection, or is nothing that could: then as it is, for the check to say so. */
export function withTransport<T extends ClientConfig>(config: T | undefined, make: () => Transport): T | ClientConfig {
  if (config === undefined) return { transport: make() };
  if (typeof config !== 'object' || config === null || Array.isArray(config)) return config;
  if (config.transport !== undefined || SESSION in config) return config;
  return { ...config, transport: make() };
}
