// The gateway's half of one connection, from hello to the end: what each frame means at which time. Knows nothing of sockets but the port it is given.
import type { Clock } from '../core/index.ts';
import {
  CLOSE_CODES,
  type ClientFrame,
  type ClientFrameOf,
  type CloseReason,
  type Compression,
  LogError,
  PROTOCOL_VERSION,
  parseClientFrame,
  readFrameId,
  readProduceId,
  type ServerFrame,
  type ServerFrameOf,
} from '../protocol/index.ts';
import { Answers } from './answers.ts';
import { errorFrame } from './error-frames.ts';
import { Fetches } from './fetches.ts';
import { Liveness } from './liveness.ts';
import { Members } from './members.ts';
import { Outbox } from './outbox.ts';
import { Produces } from './produces.ts';
import { randomHex } from './random-id.ts';
import { RequestQueue } from './request-queue.ts';
import { handleRequest, type RequestFrame } from './requests.ts';
import type { ServerSession, ServerSessionOptions } from './session-port.ts';
import { CommitTask, FetchTask } from './tasks.ts';
import { TopicNames } from './topic-names.ts';
import { TopicNews } from './topic-news.ts';
import { cutToUtf8Length, utf8Length } from './utf8-length.ts';
import { welcome } from './welcome.ts';

type State = 'awaitingHello' | 'live' | 'closed';

/** What the socket of a page that goes away is closed with, by the client or by the browser. */
const PAGE_GONE_CODES: readonly number[] = [CLOSE_CODES.SUSPENDED.code, 1001];

/** Of the reason in a close frame. */
const MAX_REASON_BYTES = 123;

export function createServerSession(options: ServerSessionOptions): ServerSession {
  return new ProtocolSession(options);
}

class ProtocolSession implements ServerSession {
  readonly sessionId: string;
  readonly #options: ServerSessionOptions;
  /** Whose callbacks cannot throw into the owner of the clock. */
  readonly #clock: Clock;
  readonly #codecs = new Set<Compression>(['none']);
  readonly #topicNames = new TopicNames();
  readonly #topicNews = new TopicNews<ServerFrameOf<'topics'>>((push) => this.#send(push));
  readonly #outbox: Outbox;
  readonly #requests: RequestQueue;
  readonly #answers: Answers;
  readonly #fetches: Fetches;
  readonly #produces: Produces;
  readonly #members: Members;
  #liveness: Liveness | undefined;
  #state: State = 'awaitingHello';
  #clientId: string | undefined;
  #malformed = 0;
  #heardAt: number;
  #cancelHelloTimeout: (() => void) | undefined;
  #stopWatching: (() => void) | undefined;

  constructor(options: ServerSessionOptions) {
    this.#options = options;
    const { socket, log, random, limits, logger, metrics } = options;
    const clock: Clock = {
      now: () => options.clock.now(),
      after: (delayMs, callback) => options.clock.after(delayMs, () => this.#guard(callback)),
    };
    this.#clock = clock;
    this.#heardAt = clock.now();
    this.sessionId = randomHex(random);
    this.#outbox = new Outbox({
      socket,
      clock,
      limits,
      metrics,
      onRoom: () => this.#onRoom(),
      onFault: (error) => {
        logger.warn({ err: error, sessionId: this.sessionId }, 'The socket takes no frames');
        this.close('INTERNAL', 'The gateway failed in a way it did not expect.');
      },
      onStalled: () => this.close('SLOW_READER', `The socket took nothing for ${limits.stallTimeoutMs} ms.`),
    });
    const outbox = this.#outbox;
    this.#requests = new RequestQueue({
      clock,
      limits,
      hasRoom: () => outbox.hasRoom,
      onThrottled: (delayMs) => this.#send({ type: 'throttled', delayMs }),
      onFlood: () => this.close('FLOOD', `More than ${limits.maxDelayedRequests} requests were waiting.`),
    });
    const send = (frame: ServerFrame) => this.#send(frame);
    this.#answers = new Answers({ clock, logger, metrics, sessionId: this.sessionId, send });
    this.#fetches = new Fetches({
      log,
      clock,
      limits,
      outbox,
      codecs: this.#codecs,
      decompressors: options.decompressors,
      topicNames: this.#topicNames,
      onFault: (error) => this.#unexpected(error),
      logger,
      metrics,
    });
    this.#produces = new Produces({
      log,
      limits,
      now: () => clock.now(),
      reply: send,
      refuse: (id, error, startedAt) => this.#answers.refuse('produce', id, error, startedAt),
      done: ({ topicId, batches }, startedAt) => {
        metrics?.records(this.#topicNames.nameOf(topicId), 'in', 1, batches.length);
        metrics?.request('produce', 'ok', clock.now() - startedAt);
      },
      setReading: (on) => (on ? socket.resumeReading?.() : socket.pauseReading?.()),
      onFault: (error) => this.#unexpected(error),
      onFlood: () => this.close('FLOOD', 'Produce frames came faster than the log could write them.'),
    });
    this.#members = new Members({
      groups: log.groups,
      clientId: () => this.#clientId ?? '',
      send,
      onError: (error, message) => logger.warn({ err: error, sessionId: this.sessionId }, message),
      clock,
      heardAt: () => (this.#produces.paused ? clock.now() : this.#heardAt),
      heartbeatEvery: (intervalMs) => this.#liveness?.atLeastEvery(intervalMs),
      onTakenOver: () => this.close('FENCED', 'Another connection took a group member of this one over.'),
    });
    this.#cancelHelloTimeout = clock.after(limits.helloTimeoutMs, () =>
      this.close('TIMEOUT', `No hello within ${limits.helloTimeoutMs} ms.`),
    );
  }

  get clientId(): string | undefined {
    return this.#clientId;
  }

  onText(text: string): void {
    this.#guard(() => {
      this.#heard();
      const { limits, metrics } = this.#options;
      const bytes = utf8Length(text, limits.maxTextFrameBytes);
      metrics?.framesIn(1, bytes);
      if (bytes > limits.maxTextFrameBytes) {
        this.close('MESSAGE_TOO_BIG', `A text frame may have ${limits.maxTextFrameBytes} bytes.`);
        return;
      }
      let frame: ClientFrame;
      try {
        frame = parseClientFrame(text, limits.maxTextFrameBytes);
      } catch (error) {
        this.#onMalformed(error, readFrameId(text));
        return;
      }
      this.#onFrame(frame);
    });
  }

  onBinary(frame: Uint8Array): void {
    this.#guard(() => {
      this.#heard();
      const { limits, metrics } = this.#options;
      metrics?.framesIn(1, frame.length);
      if (frame.length > limits.maxFrameBytes) {
        this.close('MESSAGE_TOO_BIG', `A frame may have ${limits.maxFrameBytes} bytes.`);
        return;
      }
      if (this.#state === 'awaitingHello') {
        this.#violation(new LogError('INVALID_REQUEST', 'The first frame must be hello.'));
        return;
      }
      try {
        this.#produces.accept(frame);
      } catch (error) {
        this.#onMalformed(error, readProduceId(frame));
      }
    });
  }

  onClosed(code?: number): void {
    this.#release(code !== undefined && PAGE_GONE_CODES.includes(code) ? this.#options.limits.pageHoldMs : undefined);
  }

  goaway(reason: string, reconnectAfterMs: number, closeInMs: number): void {
    // Who has not said hello has nothing to finish, and expects no other frame before the welcome.
    if (this.#state === 'awaitingHello') return this.close('DRAIN', reason);
    this.#send({ type: 'goaway', reason, reconnectAfterMs, closeInMs });
  }

  close(reason: CloseReason, message: string): void {
    if (this.#state === 'closed') return;
    const { socket, logger } = this.#options;
    this.#release();
    try {
      socket.close(CLOSE_CODES[reason].code, cutToUtf8Length(message, MAX_REASON_BYTES));
    } catch (error) {
      logger.warn({ err: error, sessionId: this.sessionId }, 'The socket could not be closed');
    }
  }

  #heard(): void {
    this.#heardAt = this.#clock.now();
    this.#liveness?.heard();
  }

  #onFrame(frame: ClientFrame): void {
    if (this.#state === 'awaitingHello') {
      if (frame.type === 'hello') this.#onHello(frame);
      else this.#violation(new LogError('INVALID_REQUEST', `The first frame must be hello, not ${frame.type}.`));
      return;
    }
    switch (frame.type) {
      case 'hello':
        this.#send(errorFrame(new LogError('INVALID_REQUEST', 'hello was said already; it opens a connection once.')));
        break;
      case 'fetch':
        this.#onFetch(frame);
        break;
      case 'credit':
        this.#fetches.credit(frame);
        this.#pendingFetch(frame.consumer)?.credit(frame);
        break;
      case 'fetchClose':
        this.#pendingFetch(frame.consumer)?.drop(frame.partitions);
        this.#fetches.close(frame.consumer, frame.partitions);
        break;
      case 'owned':
        this.#members.owned(frame);
        break;
      case 'heartbeat':
        for (const { consumer, busyMs } of frame.consumers ?? []) {
          this.#members.busy(consumer, busyMs).catch((error: unknown) => this.#unexpected(error));
        }
        break;
      case 'commit':
        this.#requests.submit(new CommitTask(frame, this.#options.log, this.#answers));
        break;
      default:
        this.#onRequest(frame);
    }
  }

  #onHello(frame: ClientFrameOf<'hello'>): void {
    const { limits } = this.#options;
    if (!frame.versions.includes(PROTOCOL_VERSION)) {
      const message = `This gateway speaks version ${PROTOCOL_VERSION}, the client ${frame.versions.join(', ')}.`;
      this.#send(errorFrame(new LogError('UNSUPPORTED_VERSION', message)));
      this.close('UNSUPPORTED_VERSION', message);
      return;
    }
    const { log } = this.#options;
    if (log.logId === undefined) {
      this.close('LOG_UNAVAILABLE', log.health()?.message ?? 'The log was not reached yet.');
      return;
    }
    this.#cancelHelloTimeout?.();
    this.#state = 'live';
    this.#clientId = frame.clientId;
    for (const codec of frame.codecs ?? []) this.#codecs.add(codec);
    this.#send(welcome(this.sessionId, log.logId, this.#options));
    this.#liveness = new Liveness({
      clock: this.#clock,
      intervalMs: limits.heartbeatIntervalMs,
      timeoutMs: limits.heartbeatTimeoutMs,
      progress: () => this.#outbox.dataWritten,
      ask: () => {
        // A full buffer has its own watch, and a socket whose reading is paused cannot answer.
        if (!this.#outbox.hasRoom || this.#produces.paused) return false;
        this.#send({ type: 'heartbeat', ends: this.#fetches.ends() });
        return true;
      },
      onDead: () => this.close('TIMEOUT', `No answer to a heartbeat within ${limits.heartbeatTimeoutMs} ms.`),
    });
  }

  #onFetch(frame: ClientFrameOf<'fetch'>): void {
    if (!this.#admit(frame.consumer)) {
      this.#send(errorFrame(this.#tooManyConsumers()));
      return;
    }
    // A limit of the whole consumer holds at once; only what opens and seeks is subject to the rate.
    this.#fetches.credit({ type: 'credit', consumer: frame.consumer, limit: frame.limit, partitions: [] });
    this.#requests.submit(new FetchTask(frame, (merged) => this.#guard(() => this.#fetches.open(merged))));
  }

  #onRequest(frame: RequestFrame): void {
    const { log } = this.#options;
    const clock = this.#clock;
    if (frame.type === 'join' && !this.#admit(frame.consumer)) {
      this.#answers.refuse(frame.type, frame.id, this.#tooManyConsumers(), clock.now());
      return;
    }
    this.#requests.submit({
      run: async () => {
        const startedAt = clock.now();
        const answered = frame.type === 'metadata' ? this.#topicNews.look() : undefined;
        try {
          const context = { log, clock: this.#options.clock, members: this.#members, watch: () => this.#watch() };
          const reply = await handleRequest(frame, context);
          this.#learn(reply);
          this.#answers.answer(frame.type, reply, startedAt);
        } catch (error) {
          this.#answers.refuse(frame.type, frame.id, error, startedAt);
        }
        answered?.();
        if (frame.type === 'join') this.#members.answered(frame);
      },
    });
  }

  #pendingFetch(consumer: number): FetchTask | undefined {
    const task = this.#requests.find(FetchTask.keyOf(consumer));
    return task instanceof FetchTask ? task : undefined;
  }

  /** Whether this socket may carry that consumer (too). */
  #admit(consumer: number): boolean {
    if (this.#fetches.has(consumer) || this.#members.has(consumer) || this.#pendingFetch(consumer)) return true;
    const known = new Set([...this.#fetches.consumers(), ...this.#members.consumers()]);
    return known.size < this.#options.limits.maxConsumers;
  }

  #tooManyConsumers(): LogError {
    return new LogError(
      'INVALID_REQUEST',
      `A connection may carry ${this.#options.limits.maxConsumers} consumers; close one, or open another connection.`,
    );
  }

  #watch(): void {
    if (this.#stopWatching !== undefined || this.#state === 'closed') return;
    this.#stopWatching = this.#options.log.onTopicsChanged(({ changed, deleted }) => {
      this.#topicNames.learn(changed);
      this.#topicNews.changed({ type: 'topics', changed: [...changed], deleted: [...deleted] });
    });
  }

  #learn(reply: ServerFrame): void {
    if (reply.type === 'metadata') this.#topicNames.learn(reply.topics);
    else if (reply.type === 'createTopic') this.#topicNames.learn([reply.topic]);
  }

  #onRoom(): void {
    this.#guard(() => {
      this.#requests.resume();
      this.#fetches.resume();
    });
  }

  #onMalformed(error: unknown, id: number | undefined): void {
    if (!(error instanceof LogError)) throw error;
    this.#options.metrics?.malformedFrame();
    if (this.#state === 'awaitingHello') {
      this.#violation(error, id);
      return;
    }
    this.#send(errorFrame(error, id));
    const { maxMalformedFrames } = this.#options.limits;
    if (++this.#malformed > maxMalformedFrames) {
      this.close('PROTOCOL_VIOLATION', `More than ${maxMalformedFrames} frames were malformed.`);
    }
  }

  #violation(error: LogError, id?: number): void {
    this.#send(errorFrame(error, id));
    this.close('PROTOCOL_VIOLATION', error.message);
  }

  #send(frame: ServerFrame): void {
    if (this.#state === 'closed') return;
    this.#guard(() => this.#outbox.send(frame));
  }

  /** The edge: nothing that goes wrong in here reaches the socket's owner or another socket. */
  #guard(work: () => void): void {
    if (this.#state === 'closed') return;
    try {
      work();
    } catch (error) {
      this.#unexpected(error);
    }
  }

  #unexpected(error: unknown): void {
    if (this.#state === 'closed') return;
    this.#options.logger.error({ err: error, sessionId: this.sessionId }, 'Something failed unexpectedly');
    this.#outbox.send(errorFrame(error));
  }

  /** `holdMs`: how long group members are kept at most. */
  #release(holdMs?: number): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#cancelHelloTimeout?.();
    this.#stopWatching?.();
    this.#liveness?.stop();
    this.#requests.close();
    this.#answers.close();
    this.#members.closeAll(holdMs);
    this.#produces.close();
    this.#fetches.closeAll();
    this.#outbox.close();
  }
}
