// The connection machine, told events and times by hand.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogError } from '../protocol/index.ts';
import { type ConnectionEvent, ConnectionMachine, type ConnectionOptions } from './connection-state.ts';

const lost = (final = false): ConnectionEvent => ({
  type: 'lost',
  error: new LogError('NETWORK_EXCEPTION', 'gone'),
  final,
});
const welcome: ConnectionEvent = {
  type: 'welcome',
  sessionId: 's',
  logId: 'l',
  heartbeatIntervalMs: 25_000,
  heartbeatTimeoutMs: 8_000,
};

const goaway = (reconnectAfterMs: number): ConnectionEvent => ({
  type: 'goaway',
  reason: 'drain',
  reconnectAfterMs,
  closeInMs: 10_000,
});

/** Drives a machine and keeps what it wants, in short. */
class Bench {
  now = 1_000_000;
  readonly machine: ConnectionMachine;
  readonly did: string[] = [];

  constructor(options: Partial<ConnectionOptions> = {}) {
    this.machine = new ConnectionMachine({
      urls: ['ws://a/'],
      backoff: { baseMs: 100, maxMs: 10_000 },
      requestTimeoutMs: 30_000,
      random: () => 0.5,
      ...options,
    });
  }

  tell(...events: ConnectionEvent[]): this {
    for (const event of events) {
      for (const effect of this.machine.handle(event, this.now)) {
        if (effect.type === 'dial') this.did.push(`dial ${effect.url}`);
        else if (effect.type === 'hangUp') this.did.push(`hangUp ${effect.code}`);
        else if (effect.type === 'ping' || effect.type === 'drain') this.did.push(effect.type);
        else if (effect.status.type === 'reconnecting') this.did.push(`wait ${effect.status.delayMs}`);
        else this.did.push(effect.status.type);
      }
    }
    return this;
  }
  /** Goes to the deadline, or `lateMs` past it, and ticks. */
  due(lateMs = 0): this {
    this.now = (this.machine.deadline ?? Number.NaN) + lateMs;
    return this.tell({ type: 'tick' });
  }
  pass(ms: number): this {
    this.now += ms;
    return this;
  }
  live(): this {
    this.tell({ type: 'connect' }, { type: 'authorized' }, { type: 'opened' }, welcome);
    this.did.length = 0;
    return this;
  }
  took(): string[] {
    return this.did.splice(0);
  }
}

describe('the connection machine', () => {
  it('dials when asked to, once, and is live after the welcome', () => {
    const bench = new Bench().tell(
      { type: 'connect' },
      { type: 'connect' },
      { type: 'authorized' },
      { type: 'opened' },
    );
    expect(bench.machine.phase).toBe('greeting');
    expect(bench.tell(welcome).took()).toEqual(['connecting', 'dial ws://a/', 'live']);
  });

  it('waits longer after each failure, with full jitter, up to the maximum', () => {
    const bench = new Bench().tell({ type: 'connect' });
    const waits: string[] = [];
    for (let i = 0; i < 9; i++) {
      waits.push(
        ...bench
          .tell(lost())
          .took()
          .filter((what) => what.startsWith('wait')),
      );
      bench.due();
    }
    expect(waits).toEqual([50, 100, 200, 400, 800, 1600, 3200, 5000, 5000].map((ms) => `wait ${ms}`));
  });

  it('starts the backoff afresh only after a connection that lasted', () => {
    const bench = new Bench().tell({ type: 'connect' });
    for (let i = 0; i < 5; i++) bench.tell(lost()).due();
    bench.tell({ type: 'opened' }, welcome);
    bench.took();
    expect(bench.pass(4_999).tell(lost()).took()).toEqual(['wait 1600']);
    bench.due().tell({ type: 'opened' }, welcome).took();
    expect(bench.pass(5_000).tell(lost()).took()).toEqual(['wait 50']);
  });

  it('tries the servers in turn before it waits longer, and asks the one that served it first', () => {
    const bench = new Bench({ urls: ['ws://a/', 'ws://b/'] }).tell({ type: 'connect' });
    for (let i = 0; i < 3; i++) bench.tell(lost()).due();
    expect(bench.took()).toEqual([
      'connecting',
      'dial ws://a/',
      'wait 50',
      'connecting',
      'dial ws://b/',
      'wait 50',
      'connecting',
      'dial ws://a/',
      'wait 100',
      'connecting',
      'dial ws://b/',
    ]);
    bench.tell({ type: 'opened' }, welcome).pass(60_000).tell(lost()).due();
    expect(bench.took().at(-1)).toBe('dial ws://b/');
  });

  it('gives up a dial, and a gateway that does not say welcome, after 10 s', () => {
    const bench = new Bench().tell({ type: 'connect' }, { type: 'authorized' });
    bench.took();
    const start = bench.now;
    expect(bench.due().took()).toEqual(['hangUp 4508', 'wait 50']);
    expect(bench.now - start).toBe(10_000);
    bench.due().tell({ type: 'authorized' }, { type: 'opened' });
    bench.took();
    expect(bench.due().took()).toEqual(['hangUp 4508', 'wait 100']);
  });

  it('takes a peer for dead that was silent for a heartbeat and the time to answer it', () => {
    const bench = new Bench().live();
    bench.pass(20_000);
    bench.machine.heard(bench.now);
    expect(bench.machine.deadline).toBe(bench.now + 33_000);
    expect(bench.pass(32_999).tell({ type: 'tick' }).took()).toEqual([]);
    expect(bench.pass(1).tell({ type: 'tick' }).took()).toEqual(['hangUp 4508', 'wait 50']);
  });

  it('asks before it takes a peer for dead when the timer came late: the sleeper was we', () => {
    const bench = new Bench().live();
    expect(bench.due(60_000).took()).toEqual(['ping']);
    bench.pass(1_000);
    bench.machine.heard(bench.now);
    expect(bench.machine.deadline).toBe(bench.now + 33_000);
    expect(bench.due(60_000).took()).toEqual(['ping']);
    expect(bench.due().took()).toEqual(['hangUp 4508', 'wait 50']);
  });

  it('leaves a connection alone when a page was hidden or offline only for a moment', () => {
    const bench = new Bench().live();
    for (let i = 0; i < 10; i++) {
      bench.tell({ type: 'lifecycle', signal: 'hidden' }).pass(4_999).tell({ type: 'lifecycle', signal: 'visible' });
      bench.tell({ type: 'lifecycle', signal: 'offline' }).pass(100).tell({ type: 'lifecycle', signal: 'online' });
      bench.machine.heard(bench.now);
    }
    expect(bench.took()).toEqual([]);
  });

  it('doubts a connection after a long absence and gives it 8 s to say anything', () => {
    const bench = new Bench().live().tell({ type: 'lifecycle', signal: 'hidden' }).pass(5_000);
    expect(bench.tell({ type: 'lifecycle', signal: 'visible' }).took()).toEqual(['ping']);
    const asked = bench.now;
    expect(bench.due().took()).toEqual(['hangUp 4508', 'wait 50']);
    expect(bench.now - asked).toBe(8_000);
  });

  it('dials at once when the machine is online or the page visible again', () => {
    for (const signal of ['online', 'visible', 'resume', 'pageshow'] as const) {
      const bench = new Bench().live().tell(lost());
      bench.took();
      expect(bench.tell({ type: 'lifecycle', signal }).took()).toEqual(['connecting', 'dial ws://a/']);
    }
  });

  it('keeps a live connection while offline, and dials rarely', () => {
    const bench = new Bench().live().tell({ type: 'lifecycle', signal: 'offline' });
    expect(bench.took()).toEqual([]);
    expect(bench.tell(lost()).took()).toEqual(['wait 10000']);
  });

  it('closes when the page is frozen or put away, and dials when it comes back', () => {
    for (const [away, back, code] of [
      ['freeze', 'resume', 4511],
      ['pagehide', 'pageshow', 4510],
    ] as const) {
      const bench = new Bench().live().tell({ type: 'lifecycle', signal: away });
      expect(bench.took()).toEqual([`hangUp ${code}`, 'wait 0']);
      expect(bench.machine.deadline).toBeUndefined();
      expect(bench.pass(3_600_000).tell({ type: 'lifecycle', signal: back }).took()).toEqual([
        'connecting',
        'dial ws://a/',
      ]);
    }
  });

  it('leaves a gateway that is going away once all is answered, and comes back when it said', () => {
    const bench = new Bench().live().tell(goaway(3_000));
    expect(bench.took()).toEqual(['drain']);
    expect(bench.pass(400).tell({ type: 'drained' }).took()).toEqual(['hangUp 1000', 'wait 3000']);
    expect(bench.due().took()).toEqual(['connecting', 'dial ws://a/']);
    bench.tell({ type: 'opened' }, welcome).pass(10_000).took();
    expect(bench.tell(lost()).took()).toEqual(['wait 50']);
  });

  it('comes back when a gateway that is going away said, also where that one closed first', () => {
    const bench = new Bench().live().tell(goaway(3_000));
    expect(bench.pass(10_000).tell(lost()).took()).toEqual(['drain', 'wait 3000']);
  });

  it('leaves a gateway that is going away in the time it gave, whatever is unanswered', () => {
    const bench = new Bench().live().tell(goaway(0));
    for (let i = 0; i < 9; i++) {
      bench.pass(1_000).tell({ type: 'tick' });
      bench.machine.heard(bench.now);
    }
    expect(bench.took()).toEqual(['drain']);
    expect(bench.due().took()).toEqual(['hangUp 1000', 'wait 50']);
  });

  it('takes the first farewell of a gateway, and none while it is not live', () => {
    const bench = new Bench().live().tell(goaway(3_000), goaway(9_000), { type: 'drained' });
    expect(bench.took()).toEqual(['drain', 'hangUp 1000', 'wait 3000']);
    expect(bench.tell(goaway(9_000), { type: 'drained' }).took()).toEqual([]);
    bench.due().tell({ type: 'opened' }, welcome).took();
    expect(bench.tell({ type: 'drained' }).took()).toEqual([]);
  });

  it('turns to the next server when the present one is going away', () => {
    const bench = new Bench({ urls: ['ws://a/', 'ws://b/'] }).live().tell(goaway(20), { type: 'drained' });
    bench.took();
    expect(bench.due().took()).toEqual(['connecting', 'dial ws://b/']);
  });

  it('forgets the farewell of a gateway once the page went away', () => {
    const bench = new Bench().live().tell(goaway(3_000));
    bench.tell({ type: 'lifecycle', signal: 'pagehide' }, { type: 'lifecycle', signal: 'pageshow' });
    bench.tell({ type: 'opened' }, welcome).took();
    expect(bench.tell(lost()).took()).toEqual(['wait 50']);
  });

  it('ends for good on a final error and on close, and then does nothing', () => {
    for (const end of [lost(true), { type: 'close' } as const]) {
      const bench = new Bench().live().tell(end);
      expect(bench.took().at(-1)).toBe('closed');
      bench.tell({ type: 'connect' }, { type: 'tick' }, { type: 'lifecycle', signal: 'online' }, lost(), {
        type: 'close',
      });
      expect(bench.took()).toEqual([]);
      expect(bench.machine.deadline).toBeUndefined();
    }
  });

  it('never holds two sockets, and always has something due or is at rest, whatever happens', () => {
    const event: fc.Arbitrary<ConnectionEvent> = fc.oneof(
      fc.constantFrom<ConnectionEvent>(
        { type: 'connect' },
        { type: 'authorized' },
        { type: 'opened' },
        welcome,
        lost(),
        { type: 'tick' },
        { type: 'broken', error: new LogError('NETWORK_EXCEPTION', 'x'), code: 4400, final: false },
        { type: 'goaway', reason: 'drain', reconnectAfterMs: 50, closeInMs: 50 },
        { type: 'drained' },
      ),
      fc
        .constantFrom('online', 'offline', 'visible', 'hidden', 'freeze', 'resume', 'pagehide', 'pageshow' as const)
        .map((signal): ConnectionEvent => ({ type: 'lifecycle', signal })),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(event, fc.integer({ min: 0, max: 40_000 })), { maxLength: 60 }), (steps) => {
        const bench = new Bench({ urls: ['ws://a/', 'ws://b/'] });
        let sockets = 0;
        for (const [what, ms] of steps) {
          const hadSocket = sockets === 1;
          // A socket that is not there cannot be lost.
          if (what.type === 'lost' && !hadSocket) continue;
          bench.pass(ms);
          if (what.type === 'lost') sockets = 0;
          for (const effect of bench.machine.handle(what, bench.now)) {
            if (effect.type === 'dial') sockets++;
            if (effect.type === 'hangUp') sockets--;
          }
          const { phase, deadline } = bench.machine;
          expect(sockets).toBe(phase === 'dialling' || phase === 'greeting' || phase === 'live' ? 1 : 0);
          if (phase === 'idle' || phase === 'suspended') expect(deadline).toBeUndefined();
          else expect(deadline).toBeGreaterThan(0);
        }
      }),
      { numRuns: 500 },
    );
  });
});
