// One request of Kafka's protocol in the versions that we speak, and which of them a broker takes. Knows nothing of connections.
import { type Connection, ResponseError } from '@platformatic/kafka';
import { LogError } from 'distributedlog/protocol';

/** Sends one version of a request; what is answered is the same whichever version it was. */
export type Send<Args extends readonly unknown[], Answer> = (connection: Connection, ...args: Args) => Promise<Answer>;
export interface ApiFamily<Args extends readonly unknown[], Answer> {
  readonly name: string;
  readonly key: number;
  /** Newest first. */
  readonly versions: readonly (readonly [version: number, send: Send<Args, Answer>])[];
}
export interface VersionRange {
  readonly minVersion: number;
  readonly maxVersion: number;
}
/** What a broker speaks, by API key. */
export type BrokerVersions = ReadonlyMap<number, VersionRange>;

export function apiFamily<Args extends readonly unknown[], Answer>(
  name: string,
  key: number,
  versions: Readonly<Record<number, Send<Args, Answer>>>,
): ApiFamily<Args, Answer> {
  const newestFirst = Object.entries(versions).map(([version, send]) => [Number(version), send] as const);
  newestFirst.sort(([a], [b]) => b - a);
  return { name, key, versions: newestFirst };
}

/**
 * Sends with a function of the library, which throws where anything in the answer has an error code: here the answer comes
 * back as it is, and who asked looks at the codes.
 */
export function answered<Args extends unknown[], Answer>(api: {
  readonly async: (connection: Connection, ...args: Args) => Promise<Answer>;
}): Send<Args, Answer> {
  return async (connection, ...args) => {
    try {
      return await api.async(connection, ...args);
    } catch (error) {
      // The library keeps the whole answer with the error, as what the same parser made of it.
      if (error instanceof ResponseError && error.response !== undefined) return error.response as Answer;
      throw error;
    }
  };
}

/** The newest version that both ends speak. */
export function commonVersion<Args extends readonly unknown[], Answer>(
  family: ApiFamily<Args, Answer>,
  broker: BrokerVersions,
): readonly [version: number, send: Send<Args, Answer>] | undefined {
  const range = broker.get(family.key);
  if (range === undefined) return undefined;
  return family.versions.find(([version]) => version >= range.minVersion && version <= range.maxVersion);
}

/** UNSUPPORTED_VERSION: one line that names every API that is missing, the versions here and there. */
export function versionsMissing(
  families: readonly {
    readonly name: string;
    readonly key: number;
    readonly versions: readonly (readonly [number, unknown])[];
  }[],
  broker: BrokerVersions,
  where: string,
): LogError | undefined {
  const missing = families.flatMap(({ name, key, versions }) => {
    const range = broker.get(key);
    const numbers = versions.map(([version]) => version);
    if (range !== undefined && numbers.some((n) => n >= range.minVersion && n <= range.maxVersion)) return [];
    const theirs = range === undefined ? 'does not have it' : `has ${range.minVersion} to ${range.maxVersion}`;
    return [`${name} ${Math.min(...numbers)} to ${Math.max(...numbers)} (it ${theirs})`];
  });
  if (missing.length === 0) return undefined;
  return new LogError('UNSUPPORTED_VERSION', `The broker at ${where} is too old: needed are ${missing.join(', ')}.`);
}
