// The request table on a manual clock.
import { describe, expect, it } from 'vitest';
import { LogError } from '../protocol/index.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { RequestTable, type RequestTableOptions } from './session-requests.ts';

function open(options: Partial<RequestTableOptions> = {}) {
  const clock = new ManualClock();
  const sent: string[] = [];
  let id = 0;
  const table = new RequestTable({
    clock,
    random: () => 0.5,
    backoff: { baseMs: 100, maxMs: 1_000 },
    timeoutMs: 30_000,
    maxInFlight: 2,
    maxWaiting: 5,
    nextId: () => ++id,
    send: (frame) => sent.push(String(frame)),
    ...options,
  });
  const ask = (name: string, how?: Parameters<RequestTable['submit']>[1]) =>
    table.submit({ type: 'leave', encode: (n) => `${name}#${n}` }, how);
  const answer = (n: number) => table.onReply({ type: 'leave', id: n });
  const took = () => sent.splice(0);
  return { clock, table, ask, answer, took };
}
const gone = new LogError('NETWORK_EXCEPTION', 'gone');
/** For promises whose outcome is looked at later. */
const outcome = (promise: Promise<unknown>) =>
  promise.then(
    () => 'ok',
    (error: LogError) => error.code,
  );

describe('requests', () => {
  it('wait for the connection, then go out in order, at most so many at once', async () => {
    const { table, ask, answer, took, clock } = open();
    const all = ['a', 'b', 'c'].map((name) => ask(name));
    expect(took()).toEqual([]);
    table.onLive();
    expect(took()).toEqual(['a#1', 'b#2']);
    const asked = clock.now();
    clock.advance(7);
    expect(table.sentAt(2)).toBe(asked);
    answer(2);
    expect(took()).toEqual(['c#3']);
    answer(1);
    answer(3);
    await Promise.all(all);
    expect(clock.pending).toBe(0);
  });

  it('wait for the next connection while the present one is left, and what was sent is awaited', async () => {
    const { table, ask, answer, took } = open();
    table.onLive();
    const sent = [ask('a'), ask('b', { retry: false })];
    const waiting = [ask('c'), ask('d', { retry: 'unsent' })];
    const bound = outcome(ask('x', { retry: false }));
    took();
    let drained = 0;
    table.drain(() => drained++);
    waiting.push(ask('e', { retry: 'unsent' }));
    answer(1);
    expect([drained, took()]).toEqual([0, []]);
    answer(2);
    expect([drained, took()]).toEqual([1, []]);
    await Promise.all(sent);
    table.onDown(gone);
    table.onLive();
    expect(took()).toEqual(['c#3', 'd#4']);
    answer(3);
    answer(4);
    answer(5);
    await Promise.all(waiting);
    // What belongs to the connection ends with it.
    expect(await bound).toBe('NETWORK_EXCEPTION');
    expect(drained).toBe(1);
  });

  it('that must not be repeated fail together when the connection was left before all were answered', async () => {
    const { table, ask, answer, took } = open();
    table.onLive();
    const sent = outcome(ask('a', { retry: 'unsent' }));
    table.drain(() => undefined);
    const late = outcome(ask('b', { retry: 'unsent' }));
    const again = outcome(ask('c'));
    table.onDown(gone);
    table.onLive();
    expect(took()).toEqual(['a#1', 'c#2']);
    answer(2);
    expect(await Promise.all([sent, late, again])).toEqual(['NETWORK_EXCEPTION', 'NETWORK_EXCEPTION', 'ok']);
  });

  it('let the connection be left when they time out, are aborted or are told to come later', async () => {
    const { table, ask, took, clock } = open({ maxInFlight: 3 });
    table.onLive();
    const abort = new AbortController();
    const outcomes = [ask('a', { timeoutMs: 50 }), ask('b', { signal: abort.signal }), ask('c')].map(outcome);
    took();
    let drained = false;
    table.drain(() => {
      drained = true;
    });
    clock.advance(50);
    abort.abort();
    expect(drained).toBe(false);
    table.onError({ type: 'error', id: 3, code: 'BROKER_NOT_AVAILABLE', message: 'later', retriable: true });
    expect(drained).toBe(true);
    clock.advance(10_000);
    expect(took()).toEqual([]);
    table.onDown(gone);
    table.onLive();
    expect(took()).toEqual(['c#4']);
    table.onReply({ type: 'leave', id: 4 });
    expect(await Promise.all(outcomes)).toEqual(['TIMED_OUT', 'ABORTED', 'ok']);
  });

  it('are asked again on the next connection, before what came later, each under a new number', async () => {
    const { table, ask, answer, took } = open();
    table.onLive();
    const all = ['a', 'b', 'c'].map((name) => ask(name));
    took();
    table.onDown(gone);
    all.push(ask('d'));
    table.onLive();
    expect(took()).toEqual(['a#3', 'b#4']);
    expect(answer(1)).toBeUndefined();
    answer(3);
    answer(4);
    expect(took()).toEqual(['c#5', 'd#6']);
    answer(5);
    answer(6);
    expect(await Promise.all(all.map(outcome))).toEqual(['ok', 'ok', 'ok', 'ok']);
  });

  it('that must not be repeated fail when the connection drops, sent or not, in order', async () => {
    const { table, ask, took } = open();
    table.onLive();
    const order: string[] = [];
    const all = ['a', 'b', 'c'].map((name) => ask(name, { retry: false }).catch(() => order.push(name)));
    table.onDown(gone);
    await Promise.all(all);
    expect(order).toEqual(['a', 'b', 'c']);
    took();
    table.onLive();
    expect(took()).toEqual([]);
  });

  it('are asked again after a retriable error, later each time, and after retryAfterMs at the earliest', async () => {
    const { table, ask, answer, took, clock } = open();
    table.onLive();
    const asked = ask('a');
    took();
    table.onError({ type: 'error', id: 1, code: 'COORDINATOR_NOT_AVAILABLE', message: 'later' });
    clock.advance(49);
    expect(took()).toEqual([]);
    clock.advance(1);
    expect(took()).toEqual(['a#2']);
    table.onError({ type: 'error', id: 2, code: 'THROTTLING_QUOTA_EXCEEDED', message: 'later', retryAfterMs: 700 });
    clock.advance(699);
    expect(took()).toEqual([]);
    clock.advance(1);
    expect(took()).toEqual(['a#3']);
    answer(3);
    await asked;
  });

  it('that only another request can mend are not asked again', async () => {
    for (const code of ['STALE_MEMBER_EPOCH', 'UNKNOWN_TOPIC_ID', 'TOPIC_ALREADY_EXISTS']) {
      const { table, ask } = open();
      table.onLive();
      const asked = ask('a');
      table.onError({ type: 'error', id: 1, code, message: 'no', topic: 't', partition: 3 });
      await expect(asked).rejects.toMatchObject({ code, message: 'no', topic: 't', partition: 3 });
    }
  });

  it('fail with UNKNOWN_SERVER_ERROR for a code of the future, and keep its name', async () => {
    const { table, ask } = open();
    table.onLive();
    const asked = ask('a');
    table.onError({ type: 'error', id: 1, code: 'NEW_CODE', message: 'what' });
    await expect(asked).rejects.toMatchObject({ code: 'UNKNOWN_SERVER_ERROR', message: 'NEW_CODE: what' });
  });

  it('time out over all their tries, saying what the last one said, and make room for others', async () => {
    const { table, ask, took, clock } = open({ maxInFlight: 1 });
    table.onLive();
    const asked = ask('a', { timeoutMs: 200 });
    const next = outcome(ask('b'));
    table.onError({ type: 'error', id: 1, code: 'LEADER_NOT_AVAILABLE', message: 'no leader' });
    expect(took()).toEqual(['a#1', 'b#2']);
    clock.advance(200);
    await expect(asked).rejects.toMatchObject({
      code: 'TIMED_OUT',
      message: 'leave: no answer within 200 ms; the last try failed: no leader',
    });
    table.onReply({ type: 'leave', id: 2 });
    expect(await next).toBe('ok');
  });

  it('are given up on abort, before and after they were sent, and their late answer is ignored', async () => {
    const { table, ask, answer, took } = open();
    const abort = new AbortController();
    const waiting = outcome(ask('a', { signal: abort.signal }));
    abort.abort();
    expect(await waiting).toBe('ABORTED');
    expect(await outcome(ask('b', { signal: abort.signal }))).toBe('ABORTED');
    table.onLive();
    expect(took()).toEqual([]);
    const later = new AbortController();
    const sent = outcome(ask('c', { signal: later.signal }));
    later.abort();
    expect(await sent).toBe('ABORTED');
    expect(answer(1)).toBeUndefined();
  });

  it('are refused when too many wait', async () => {
    const { ask } = open();
    const waiting = Array.from({ length: 5 }, () => outcome(ask('a', { timeoutMs: 1 })));
    await expect(ask('b')).rejects.toMatchObject({ code: 'THROTTLING_QUOTA_EXCEEDED', retriable: true });
    expect(waiting).toHaveLength(5);
  });

  it('fail by themselves when they cannot be encoded', async () => {
    const { table, ask, took } = open();
    table.onLive();
    const encode = () => {
      throw new LogError('RECORD_TOO_LARGE', 'too large');
    };
    await expect(table.submit({ type: 'leave', encode })).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' });
    void outcome(ask('a'));
    expect(took()).toEqual(['a#2']);
  });

  it('all fail on close, and so does every later one', async () => {
    const { table, ask, clock } = open();
    table.onLive();
    const all = ['a', 'b', 'c'].map((name) => outcome(ask(name)));
    table.close(new LogError('CLOSED', 'done'));
    all.push(outcome(ask('d')));
    expect(await Promise.all(all)).toEqual(['CLOSED', 'CLOSED', 'CLOSED', 'CLOSED']);
    expect(clock.pending).toBe(0);
  });

  it('do not take an answer of another type', () => {
    const { table, ask } = open();
    table.onLive();
    void outcome(ask('a'));
    expect(() => table.onReply({ type: 'deleteTopic', id: 1 })).toThrow(/was leave, the answer is deleteTopic/);
  });
});
