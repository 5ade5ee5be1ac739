// Decides when to dial, wait, probe and give up: a state machine that is told events and the time, and answers with effects. Knows nothing of sockets, timers or frames.
import { CLOSE_CODES, LogError } from '../protocol/index.ts';
import { type Backoff, backoffMs } from './backoff.ts';
import type { Random } from './clock.ts';
import type { ConnectionStatus } from './session.ts';
import type { LifecycleSignal } from './transport.ts';

export const CONNECTION_DEFAULTS = {
  /** From the dial to the open socket, and from there to the welcome. */
  dialTimeoutMs: 10_000,
  /** A connection that was live for this long starts the backoff afresh. */
  stableAfterMs: 5_000,
  /** How long a page must have been hidden or offline for its connection to be doubted. */
  awayMs: 5_000,
  /** How long a doubted connection has to say anything. */
  probeTimeoutMs: 8_000,
  /** A timer that is later than this says that we were asleep, not the peer. */
  lateTimerMs: 1_000,
} as const;

export interface ConnectionOptions {
  /** Tried in turn. */
  readonly urls: readonly string[];
  readonly backoff: Backoff;
  /** Bounds the token callback. */
  readonly requestTimeoutMs: number;
  readonly random: Random;
}

export type ConnectionEvent =
  | { readonly type: 'connect' }
  /** The token is there and the socket is being dialled. */
  | { readonly type: 'authorized' }
  | { readonly type: 'opened' }
  | {
      readonly type: 'welcome';
      readonly sessionId: string;
      readonly logId: string;
      readonly heartbeatIntervalMs: number;
      readonly heartbeatTimeoutMs: number;
    }
  /** The socket is gone, or could not be had. `final`: no later dial can mend it. */
  | { readonly type: 'lost'; readonly error: LogError; readonly final: boolean }
  /** The peer broke the protocol: hang up with `code`. */
  | { readonly type: 'broken'; readonly error: LogError; readonly code: number; readonly final: boolean }
  | {
      readonly type: 'goaway';
      readonly reason: string;
      readonly reconnectAfterMs: number;
      readonly closeInMs: number;
    }
  /** Nothing that was asked awaits an answer any more; comes after the effect 'drain'. */
  | { readonly type: 'drained' }
  | { readonly type: 'lifecycle'; readonly signal: LifecycleSignal }
  /** The deadline has passed. */
  | { readonly type: 'tick' }
  | { readonly type: 'close'; readonly error?: LogError | undefined };

export type ConnectionEffect =
  | { readonly type: 'dial'; readonly url: string }
  /** Close the present socket and hear nothing more of it. */
  | { readonly type: 'hangUp'; readonly code: number; readonly reason: string }
  | { readonly type: 'ping' }
  /** Ask nothing more on this connection, and tell 'drained' when all that was asked is answered. */
  | { readonly type: 'drain' }
  | { readonly type: 'status'; readonly status: ConnectionStatus };

type Phase =
  | { readonly name: 'idle' | 'suspended' | 'closed' }
  | { readonly name: 'dialling' | 'greeting' | 'waiting'; readonly deadline: number }
  | {
      readonly name: 'live';
      readonly since: number;
      readonly silenceMs: number;
      /** When the answer to a probe is due. */
      probe?: number;
      /** The gateway is going away: when to leave it, whatever is unanswered then, and when to come back. */
      leaving?: { readonly by: number; readonly reconnectAfterMs: number; readonly error: LogError };
    };

export class ConnectionMachine {
  readonly #options: ConnectionOptions;
  #phase: Phase = { name: 'idle' };
  #server = 0;
  /** Dials and short-lived connections since the last stable one. */
  #failures = 0;
  #heardAt = 0;
  #offlineSince: number | undefined;
  #hiddenSince: number | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get phase(): Phase['name'] {
    return this.#phase.name;
  }
  get url(): string {
    return this.#options.urls[this.#server] ?? '';
  }
  /** When to send 'tick'; undefined: nothing is due. */
  get deadline(): number | undefined {
    const phase = this.#phase;
    switch (phase.name) {
      case 'idle':
      case 'suspended':
      case 'closed':
        return undefined;
      case 'dialling':
      case 'greeting':
      case 'waiting':
        return phase.deadline;
      case 'live':
        return Math.min(phase.probe ?? this.#heardAt + phase.silenceMs, phase.leaving?.by ?? Number.POSITIVE_INFINITY);
    }
  }

  /** Any frame came in: cheap, since it is called for each. */
  heard(now: number): void {
    this.#heardAt = now;
    if (this.#phase.name === 'live' && this.#phase.probe !== undefined) delete this.#phase.probe;
  }

  handle(event: ConnectionEvent, now: number): ConnectionEffect[] {
    const phase = this.#phase;
    if (phase.name === 'closed') return [];
    switch (event.type) {
      case 'connect':
        return phase.name === 'idle' ? this.#dial(now) : [];
      case 'authorized':
        if (phase.name === 'dialling')
          this.#phase = { name: 'dialling', deadline: now + CONNECTION_DEFAULTS.dialTimeoutMs };
        return [];
      case 'opened':
        if (phase.name === 'dialling')
          this.#phase = { name: 'greeting', deadline: now + CONNECTION_DEFAULTS.dialTimeoutMs };
        return [];
      case 'welcome': {
        if (phase.name !== 'greeting') return [];
        this.#phase = { name: 'live', since: now, silenceMs: event.heartbeatIntervalMs + event.heartbeatTimeoutMs };
        this.#heardAt = now;
        const { sessionId, logId } = event;
        return [{ type: 'status', status: { type: 'live', url: this.url, sessionId, logId } }];
      }
      case 'lost':
        return this.#hasSocket() ? this.#lost(event.error, event.final, now) : [];
      case 'broken':
        return this.#hasSocket() ? this.#hangUp(event.code, event.error, now, event.final) : [];
      case 'goaway': {
        if (phase.name !== 'live' || phase.leaving !== undefined) return [];
        const { reason, reconnectAfterMs, closeInMs } = event;
        const error = new LogError('NETWORK_EXCEPTION', `${this.url} is going away: ${reason}`);
        phase.leaving = { by: now + closeInMs, reconnectAfterMs, error };
        return [{ type: 'drain' }];
      }
      case 'drained':
        return phase.name === 'live' && phase.leaving !== undefined ? this.#leave(phase.leaving.error, now) : [];
      case 'lifecycle':
        return this.#lifecycle(event.signal, now);
      case 'tick':
        return this.#tick(now);
      case 'close': {
        const effects: ConnectionEffect[] = [];
        if (this.#hasSocket())
          effects.push({ type: 'hangUp', code: CLOSE_CODES.NORMAL.code, reason: 'closed by the client' });
        this.#phase = { name: 'closed' };
        effects.push({
          type: 'status',
          status: event.error === undefined ? { type: 'closed' } : { type: 'closed', error: event.error },
        });
        return effects;
      }
    }
  }

  #hasSocket(): boolean {
    const { name } = this.#phase;
    return name === 'dialling' || name === 'greeting' || name === 'live';
  }

  #dial(now: number): ConnectionEffect[] {
    this.#phase = { name: 'dialling', deadline: now + this.#options.requestTimeoutMs };
    const { url } = this;
    return [
      { type: 'status', status: { type: 'connecting', url, attempt: this.#failures + 1 } },
      { type: 'dial', url },
    ];
  }

  #hangUp(code: number, error: LogError, now: number, final = false): ConnectionEffect[] {
    return [{ type: 'hangUp', code, reason: '' }, ...this.#lost(error, final, now)];
  }

  #leave(error: LogError, now: number): ConnectionEffect[] {
    return this.#hangUp(CLOSE_CODES.NORMAL.code, error, now);
  }

  #lost(error: LogError, final: boolean, now: number): ConnectionEffect[] {
    if (final) {
      this.#phase = { name: 'closed' };
      return [{ type: 'status', status: { type: 'closed', error } }];
    }
    const phase = this.#phase;
    const { urls, backoff, random } = this.#options;
    if (phase.name === 'live' && now - phase.since >= CONNECTION_DEFAULTS.stableAfterMs) this.#failures = 0;
    const leaving = phase.name === 'live' ? phase.leaving : undefined;
    // A server that served us is asked again first; one that did not, or is going away, makes way for the next.
    if (phase.name !== 'live' || leaving !== undefined) this.#server = (this.#server + 1) % urls.length;
    // Only a round over all the servers counts as a failure: another one may be well.
    const jittered = backoffMs(backoff, Math.floor(this.#failures / urls.length), random);
    this.#failures++;
    // A machine that says it is offline may still reach its own localhost: dial, but rarely.
    const ownMs = this.#offlineSince === undefined ? jittered : backoff.maxMs;
    const delayMs = Math.max(ownMs, leaving?.reconnectAfterMs ?? 0);
    this.#phase = { name: 'waiting', deadline: now + delayMs };
    return [{ type: 'status', status: { type: 'reconnecting', attempt: this.#failures, delayMs, error } }];
  }

  #tick(now: number): ConnectionEffect[] {
    const phase = this.#phase;
    const { deadline } = this;
    if (deadline === undefined || now < deadline) return [];
    switch (phase.name) {
      case 'waiting':
        return this.#dial(now);
      case 'dialling':
        return this.#hangUp(CLOSE_CODES.TIMEOUT.code, silent(`${this.url} could not be reached in time`), now);
      case 'greeting':
        return this.#hangUp(CLOSE_CODES.TIMEOUT.code, silent(`${this.url} did not welcome us in time`), now);
      case 'live': {
        if (phase.leaving !== undefined && now >= phase.leaving.by) return this.#leave(phase.leaving.error, now);
        if (phase.probe !== undefined) {
          return this.#hangUp(CLOSE_CODES.TIMEOUT.code, silent(`${this.url} no longer answers`), now);
        }
        if (now - deadline > CONNECTION_DEFAULTS.lateTimerMs) return this.#probe(now);
        return this.#hangUp(CLOSE_CODES.TIMEOUT.code, silent(`${this.url} was silent for ${phase.silenceMs} ms`), now);
      }
      default:
        return [];
    }
  }

  #probe(now: number): ConnectionEffect[] {
    if (this.#phase.name !== 'live' || this.#phase.probe !== undefined) return [];
    this.#phase.probe = now + CONNECTION_DEFAULTS.probeTimeoutMs;
    return [{ type: 'ping' }];
  }

  #lifecycle(signal: LifecycleSignal, now: number): ConnectionEffect[] {
    switch (signal) {
      case 'offline':
        this.#offlineSince ??= now;
        return [];
      case 'hidden':
        this.#hiddenSince ??= now;
        return [];
      case 'online': {
        const since = this.#offlineSince;
        this.#offlineSince = undefined;
        return this.#wake(since, now);
      }
      case 'visible':
      case 'resume':
      case 'pageshow': {
        const since = this.#hiddenSince;
        this.#hiddenSince = undefined;
        return this.#wake(since, now);
      }
      case 'freeze':
      case 'pagehide':
        return this.#suspend(signal === 'freeze' ? 'FROZEN' : 'SUSPENDED', now);
    }
  }

  #wake(awaySince: number | undefined, now: number): ConnectionEffect[] {
    switch (this.#phase.name) {
      case 'suspended':
      case 'waiting':
        return this.#dial(now);
      case 'live':
        return awaySince !== undefined && now - awaySince >= CONNECTION_DEFAULTS.awayMs ? this.#probe(now) : [];
      default:
        return [];
    }
  }

  #suspend(why: 'FROZEN' | 'SUSPENDED', now: number): ConnectionEffect[] {
    this.#hiddenSince ??= now;
    if (this.#phase.name === 'idle' || this.#phase.name === 'suspended') return [];
    const { code } = CLOSE_CODES[why];
    const effects: ConnectionEffect[] = this.#hasSocket() ? [{ type: 'hangUp', code, reason: 'suspended' }] : [];
    this.#phase = { name: 'suspended' };
    this.#failures = 0;
    const error = silent('the page is frozen or hidden for good; it dials again when it comes back');
    return [...effects, { type: 'status', status: { type: 'reconnecting', attempt: 1, delayMs: 0, error } }];
  }
}

function silent(message: string): LogError {
  return new LogError('NETWORK_EXCEPTION', message);
}
