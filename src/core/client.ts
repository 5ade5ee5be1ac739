// One connection for many: makes consumers, producers and admins that share it. Knows nothing of what they do with it.
import type { Observable } from 'rxjs';
import { LogError } from '../protocol/index.ts';
import { Admin } from './admin.ts';
import { type ClientConfig, checkIsConfig, clientConfigSchema, clientConfigShape, parseConfig } from './config.ts';
import { Consumer } from './consumer.ts';
import type { ConsumerConfig } from './consumer-config.ts';
import { Producer } from './producer.ts';
import type { ProducerConfig } from './producer-config.ts';
import { type ConnectionStatus, RELEASED, SESSION, type Session, type WithSession } from './session.ts';
import { sessionFor } from './session-for.ts';
import { checkWaitOptions, type WaitOptions } from './wait-options.ts';

/** What a client makes: an entry point passes its own, so that `instanceof` holds. */
export interface ClientClasses {
  readonly Consumer: typeof Consumer;
  readonly Producer: typeof Producer;
  readonly Admin: typeof Admin;
}
export type SharedConsumerConfig<K = Uint8Array, V = Uint8Array> = Omit<ConsumerConfig<K, V>, keyof ClientConfig>;
export type SharedProducerConfig = Omit<ProducerConfig, keyof ClientConfig>;

/** Dials at the first use. Closing it closes all it has made. */
export class Client implements AsyncDisposable {
  readonly #session: Session;
  readonly #release: () => Promise<void>;
  readonly #classes: ClientClasses;
  readonly #made = new Set<Made>();
  #closing: Promise<void> | undefined;

  /** Throws INVALID_CONFIG naming every wrong and unknown key. */
  constructor(config?: ClientConfig, classes: ClientClasses = { Consumer, Producer, Admin }) {
    parseConfig('Client', clientConfigSchema, config);
    const { session, release } = sessionFor({ ...config });
    this.#session = session;
    this.#release = release;
    this.#classes = classes;
  }

  /** Replays the latest; completes on close. */
  get status$(): Observable<ConnectionStatus> {
    return this.#session.status$;
  }

  /** Dials, and resolves when the connection is live. Rejects with TIMED_OUT (requestTimeoutMs), or with an error that no retry can mend. */
  async connect(options?: WaitOptions): Promise<void> {
    checkWaitOptions('connect', options);
    this.#assertOpen('connect');
    await this.#session.whenLive({ timeoutMs: options?.timeoutMs, signal: options?.signal });
  }

  /** Throws INVALID_CONFIG; the connection is configured here, in the client. */
  consumer<K = Uint8Array, V = Uint8Array>(config?: SharedConsumerConfig<K, V>): Consumer<K, V> {
    return this.#make('consumer', config, (shared) => new this.#classes.Consumer<K, V>(shared));
  }
  /** Throws INVALID_CONFIG; the connection is configured here, in the client. */
  producer(config?: SharedProducerConfig): Producer {
    return this.#make('producer', config, (shared) => new this.#classes.Producer(shared));
  }
  admin(): Admin {
    return this.#make<ClientConfig, Admin>('admin', {}, (shared) => new this.#classes.Admin(shared));
  }

  /** Closes all it has made (consumers commit, producers flush), then the connection. Rejects with the first failure, after all were tried. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#end((made) => made.close());
    return this.#closing;
  }
  /** As close(), except that consumers commit only what is processed: it is not known whether the block threw. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#end((made) => made[Symbol.asyncDispose]());
    return this.#closing;
  }

  async #end(how: (made: Made) => Promise<void>): Promise<void> {
    const outcomes = await Promise.allSettled([...this.#made].map(how));
    await this.#release();
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  #assertOpen(call: string): void {
    if (this.#closing !== undefined) throw new LogError('CLOSED', `${call}: the client is closed`);
  }
  #make<C extends object, T extends Made>(
    what: string,
    config: C | undefined,
    construct: (shared: C & WithSession) => T,
  ): T {
    this.#assertOpen(what);
    checkIsConfig(what, config);
    const foreign = Object.entries(config ?? {}).filter(
      ([key, value]) => value !== undefined && key in clientConfigShape,
    );
    if (foreign.length > 0) {
      const keys = foreign.map(([key]) => key).join(', ');
      const message = `${what}: not here but in the configuration of the Client whose connection it shares: ${keys}`;
      throw new LogError('INVALID_CONFIG', message);
    }
    let made: T | undefined;
    const forget = () => {
      if (made !== undefined) this.#made.delete(made);
    };
    made = construct({ ...config, [SESSION]: this.#session, [RELEASED]: forget } as C & WithSession);
    this.#made.add(made);
    return made;
  }
}

interface Made {
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
