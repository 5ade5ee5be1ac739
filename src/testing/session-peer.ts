// A server session with a client's end in a test's hands: what it sends is recorded, what the test sends is typed, its socket drains when told. Knows nothing of transports.
import {
  type ClientFrame,
  type DataFrame,
  type Decompressors,
  encodeClientFrame,
  parseDataFrame,
  parseServerFrame,
  type ServerFrame,
  type ServerFrameOf,
} from '../protocol/index.ts';
import { createServerSession, DEFAULT_LIMITS, type Limits, type Log, type ServerSession } from '../server/index.ts';
import type { ManualClock } from './manual-clock.ts';

export interface SessionPeerOptions {
  readonly log: Log;
  readonly clock: ManualClock;
  readonly limits?: Partial<Limits> | undefined;
  readonly decompressors?: Decompressors | undefined;
  /** false: frames stay in the socket’s buffer until `drain`. Default true. */
  readonly draining?: boolean | undefined;
}
/** Turns of the microtask queue after which everything that waits for no timer and no I/O has happened. */
const SETTLED_AFTER_TURNS = 200;
const STEP_MS = 250;

export class SessionPeer {
  readonly session: ServerSession;
  readonly clock: ManualClock;
  /** Control frames, in order. */
  readonly frames: ServerFrame[] = [];
  readonly data: DataFrame[] = [];
  /** Control and data frames in the order they were sent. */
  readonly order: (ServerFrame['type'] | 'data')[] = [];
  readonly logged: { readonly level: string; readonly message: string }[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  reading = true;
  #draining: boolean;
  #bufferedBytes = 0;
  #queue: { readonly bytes: number; readonly written: (() => void) | undefined }[] = [];
  #listeners = new Set<() => void>();

  constructor({ log, clock, limits, decompressors, draining = true }: SessionPeerOptions) {
    this.clock = clock;
    this.#draining = draining;
    let seed = 1;
    const record = (level: string) => (_fields: object, message: string) => this.logged.push({ level, message });
    const bufferedBytes = () => this.#bufferedBytes;
    this.session = createServerSession({
      socket: {
        send: (frame, onWritten) => this.#onSent(frame, onWritten),
        get bufferedBytes(): number {
          return bufferedBytes();
        },
        close: (code, reason) => {
          this.closed ??= { code, reason };
        },
        pauseReading: () => {
          this.reading = false;
        },
        resumeReading: () => {
          this.reading = true;
        },
      },
      log,
      clock,
      random: () => {
        seed = (seed * 48_271) % 2_147_483_647;
        return seed / 2_147_483_647;
      },
      limits: { ...DEFAULT_LIMITS, ...limits },
      decompressors,
      server: { name: 'test', version: '0' },
      logger: { debug: record('debug'), info: record('info'), warn: record('warn'), error: record('error') },
    });
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  send(frame: ClientFrame): void {
    this.session.onText(encodeClientFrame(frame));
  }

  /** Says hello and waits for the welcome. */
  async hello(codecs: ('gzip' | 'snappy' | 'lz4' | 'zstd')[] = ['gzip']): Promise<ServerFrameOf<'welcome'>> {
    this.send({ type: 'hello', versions: [1], clientId: 'tester', codecs });
    return this.frame('welcome');
  }

  /** Sends a request and waits for its answer, or for the error frame in its place. */
  async request<T extends ServerFrame['type']>(
    frame: Extract<ClientFrame, { id: number; type: T }>,
  ): Promise<ServerFrameOf<T> | ServerFrameOf<'error'>> {
    const answers = (answer: ServerFrame) =>
      'id' in answer && answer.id === frame.id && (answer.type === frame.type || answer.type === 'error');
    const before = this.frames.length;
    this.send(frame);
    await this.until(() => this.frames.slice(before).some(answers));
    return this.frames.slice(before).find(answers) as ServerFrameOf<T> | ServerFrameOf<'error'>;
  }

  all<T extends ServerFrame['type']>(type: T): ServerFrameOf<T>[] {
    return this.frames.filter((frame): frame is ServerFrameOf<T> => frame.type === type);
  }

  /** The first frame of that type, once it is there (or the n-th, counted from 1). */
  async frame<T extends ServerFrame['type']>(type: T, nth = 1): Promise<ServerFrameOf<T>> {
    await this.until(() => this.all(type).length >= nth);
    const frame = this.all(type)[nth - 1];
    if (frame === undefined) throw new Error(`no ${type} frame`);
    return frame;
  }

  /** Waits, without time, for something that sent frames bring about. */
  until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = () => {
        if (!condition()) return;
        this.#listeners.delete(look);
        resolve();
      };
      this.#listeners.add(look);
    });
  }

  /** Lets everything happen that can happen without time passing. */
  async settle(): Promise<void> {
    for (let i = 0; i < SETTLED_AFTER_TURNS; i++) await Promise.resolve();
  }

  /** Moves the clock, in steps between which everything happens that can: a socket does not sleep through 25 seconds. */
  async advance(ms: number): Promise<void> {
    for (let left = ms; ; left -= STEP_MS) {
      await this.settle();
      this.clock.advance(Math.min(left, STEP_MS));
      if (left <= STEP_MS) break;
    }
    await this.settle();
  }

  /** Takes the oldest frames out of the socket: that many, or all there are now. */
  drain(count = this.#queue.length): void {
    for (const { bytes, written } of this.#queue.splice(0, count)) {
      this.#bufferedBytes -= bytes;
      written?.();
    }
  }

  setDraining(draining: boolean): void {
    this.#draining = draining;
    if (draining) this.drain();
  }

  /** Bytes of batches received. */
  get batchBytes(): number {
    return this.data.reduce((sum, { batches }) => sum + batches.length, 0);
  }

  #onSent(frame: string | Uint8Array, written: (() => void) | undefined): void {
    if (typeof frame === 'string') {
      const parsed = parseServerFrame(frame);
      if (parsed === undefined) throw new Error(`a frame of an unknown type was sent: ${frame}`);
      this.frames.push(parsed);
      this.order.push(parsed.type);
    } else {
      // As a socket would: the buffer is the sender's again once it is written.
      this.data.push(parseDataFrame(frame.slice()));
      this.order.push('data');
    }
    this.#bufferedBytes += frame.length;
    this.#queue.push({ bytes: frame.length, written });
    if (this.#draining) queueMicrotask(() => this.#draining && this.drain(1));
    for (const look of [...this.#listeners]) look();
  }
}
