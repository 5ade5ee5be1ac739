// One connection to one broker for one purpose: made when it is needed, versions agreed, throttling respected, replaced when it broke. Knows nothing of clusters.
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { apiVersionsV3, Connection, createAPI, type SASLOptions } from '@platformatic/kafka';
import type { Clock } from 'distributedlog/core';
import { LogError } from 'distributedlog/protocol';
import { AnswerLengths } from './answer-lengths.ts';
import {
  type ApiFamily,
  type BrokerVersions,
  commonVersion,
  type VersionRange,
  versionsMissing,
} from './api-family.ts';
import { brokerError, fieldOf, toLogError } from './errors.ts';
import type { BrokerAddress, KafkaLogSettings } from './options.ts';
import { pause } from './pause.ts';

/** After a connection could not be made, requests fail with that error for this long. */
const REDIAL_AFTER_MS = 100;
const KEEP_ALIVE_MS = 30_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** Requests that may be under way at once; the broker answers them one after the other. */
const MAX_IN_FLIGHT = 16;

const UNSUPPORTED_VERSION = 35;
/** A broker that does not know this version answers in the format of the first one, of which only the error code is the same. */
const API_VERSIONS = createAPI<[], BrokerVersions | undefined>(
  apiVersionsV3.api.key,
  apiVersionsV3.api.version,
  () => apiVersionsV3.createRequest('distributedlog', '1'),
  (_correlationId, _key, _version, reader) => {
    const errorCode = reader.readInt16();
    if (errorCode === UNSUPPORTED_VERSION) return undefined;
    if (errorCode !== 0) throw brokerError(errorCode, 'ApiVersions');
    const ranges = reader.readArray((of): [number, VersionRange] => [
      of.readInt16(),
      { minVersion: of.readInt16(), maxVersion: of.readInt16() },
    ]);
    return new Map(ranges);
  },
  true,
  // Alone among the answers, so that it can be read before anything is agreed on.
  false,
);

/** Of all connections of a cluster, since it was opened. */
export interface LinkCounts {
  requests: number;
  /** Without an answer. */
  failures: number;
  connects: number;
  /** What brokers told us to wait. */
  throttledMs: number;
}

interface Live {
  readonly connection: Connection;
  readonly versions: BrokerVersions;
}

export class BrokerLink {
  readonly address: BrokerAddress;
  readonly #settings: KafkaLogSettings;
  readonly #clock: Clock;
  readonly #counts: LinkCounts;
  #live: Promise<Live> | undefined;
  #connection: Connection | undefined;
  #lastFailure: { readonly at: number; readonly error: LogError } | undefined;
  #throttledUntil = 0;
  #closed = false;

  constructor(address: BrokerAddress, settings: KafkaLogSettings, clock: Clock, counts: LinkCounts) {
    this.#counts = counts;
    this.address = address;
    this.#settings = settings;
    this.#clock = clock;
  }

  get where(): string {
    return `${this.address.host}:${this.address.port}`;
  }

  /** Whether it is what one made for this address and this patience would be. */
  isTo({ host, port }: BrokerAddress, requestTimeoutMs: number): boolean {
    const { address } = this;
    return address.host === host && address.port === port && this.#settings.requestTimeoutMs === requestTimeoutMs;
  }

  /**
   * Sends the newest version that both ends speak. The answer may hold error codes. Rejects with LogError:
   * BROKER_NOT_AVAILABLE, REQUEST_TIMED_OUT (whether the broker did it is not known), UNSUPPORTED_VERSION.
   */
  async request<Args extends readonly unknown[], Answer>(
    family: ApiFamily<Args, Answer>,
    ...args: Args
  ): Promise<Answer> {
    const about = `${family.name} at ${this.where}`;
    const { connection, versions } = await this.#connect();
    const common = commonVersion(family, versions);
    if (common === undefined) {
      throw versionsMissing([family], versions, this.where) ?? new LogError('UNSUPPORTED_VERSION', about);
    }
    const waitMs = this.#throttledUntil - this.#clock.now();
    if (waitMs > 0) await pause(this.#clock, waitMs);
    this.#counts.requests++;
    try {
      const answer = await common[1](connection, ...args);
      const throttleMs = fieldOf(answer, 'throttleTimeMs');
      if (typeof throttleMs === 'number' && throttleMs > 0) {
        this.#throttledUntil = this.#clock.now() + throttleMs;
        this.#counts.throttledMs += throttleMs;
      }
      return answer;
    } catch (error) {
      this.#counts.failures++;
      const known = toLogError(error, about);
      // An answer that comes after its time would be taken for the next one's: the connection is of no use any more.
      this.#drop(connection);
      throw known;
    }
  }

  /** Which versions the broker speaks. */
  async versions(): Promise<BrokerVersions> {
    return (await this.#connect()).versions;
  }

  /** What is under way rejects with BROKER_NOT_AVAILABLE, and so does everything after. */
  close(): void {
    this.#closed = true;
    if (this.#connection !== undefined) this.#drop(this.#connection);
  }

  #connect(): Promise<Live> {
    if (this.#closed) {
      return Promise.reject(new LogError('BROKER_NOT_AVAILABLE', `The connection to ${this.where} is closed.`));
    }
    if (this.#live !== undefined) return this.#live;
    const failure = this.#lastFailure;
    if (failure !== undefined && this.#clock.now() - failure.at < REDIAL_AFTER_MS) return Promise.reject(failure.error);
    const live = this.#dial();
    this.#live = live;
    live.catch(() => {
      if (this.#live === live) this.#live = undefined;
    });
    return live;
  }

  async #dial(): Promise<Live> {
    const { clientId, tls, sasl, requestTimeoutMs } = this.#settings;
    const { host, port } = this.address;
    const connection = new Connection(clientId, {
      connectTimeout: Math.min(CONNECT_TIMEOUT_MS, requestTimeoutMs),
      requestTimeout: requestTimeoutMs,
      maxInflights: MAX_IN_FLIGHT,
      ...(tls === undefined || tls === false
        ? {}
        : { tls: tls === true ? {} : defined(tls), tlsServerName: serverName(tls, host) }),
      ...(sasl === undefined ? {} : { sasl: saslOptions(sasl) }),
    });
    this.#connection = connection;
    let broken: unknown;
    // Its requests reject by themselves; without a listener the event would end the process.
    connection.on('error', (error) => {
      broken ??= error;
      this.#forget(connection);
    });
    connection.on('close', () => this.#forget(connection));
    try {
      const connected = connection.connect(host, port);
      const { socket } = connection;
      // Right after the library's own listener of this event, in which it begins to listen to what comes.
      socket.once(tls === undefined || tls === false ? 'connect' : 'secureConnect', () => guard(socket));
      await connected;
      // What stands between us and a broker may forget a connection that is silent, and then nobody would say so.
      connection.socket.setKeepAlive(true, KEEP_ALIVE_MS);
      const versions = await API_VERSIONS.async(connection);
      if (versions === undefined) {
        const what = `The broker at ${this.where} is too old: needed is ApiVersions 3, which Kafka has since 2.4`;
        throw new LogError('UNSUPPORTED_VERSION', `${what}.`);
      }
      this.#lastFailure = undefined;
      this.#counts.connects++;
      return { connection, versions };
    } catch (error) {
      const known = toLogError(broken ?? error, `Kafka at ${this.where}`);
      this.#lastFailure = { at: this.#clock.now(), error: known };
      this.#drop(connection);
      throw known;
    }
  }

  #forget(connection: Connection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#live = undefined;
  }

  #drop(connection: Connection): void {
    this.#forget(connection);
    connection.close(() => {});
    // That alone waits until all is sent, which a broker that does not read any more never lets happen.
    connection.socket?.destroy();
  }
}

/** What throws in the library's listener at bytes that it did not expect would end the process: it ends the connection. */
function guard(socket: Duplex): void {
  const lengths = new AnswerLengths();
  const listeners = socket.listeners('data');
  socket.removeAllListeners('data');
  socket.on('data', (chunk: Uint8Array) => {
    try {
      lengths.check(chunk);
      for (const listener of listeners) listener.call(socket, chunk);
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  });
}

/** Which name the broker's certificate must have; addresses cannot be asked for by name. */
function serverName(tls: NonNullable<KafkaLogSettings['tls']>, host: string): string | boolean {
  return (typeof tls === 'object' ? tls.servername : undefined) ?? isIP(host) === 0;
}

/** The library takes an absent key and `undefined` for different things. */
function defined<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

function saslOptions({ mechanism, ...rest }: NonNullable<KafkaLogSettings['sasl']>): SASLOptions {
  return { mechanism, ...defined(rest) };
}
