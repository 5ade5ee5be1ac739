import { LogError } from 'distributedlog';
import { describe, expect, it } from 'vitest';
import { type Place, parseTopics, planReset, type ResetTo } from './group-reset.ts';

const place = (of: Partial<Place> = {}): Place => ({
  topic: 'clicks',
  partition: 0,
  committed: 40,
  start: 10,
  end: 100,
  atTime: null,
  ...of,
});
const offsetsOf = (places: readonly Place[], to: ResetTo) => planReset(places, to).map(({ offset }) => offset);

describe('planReset', () => {
  it.each<[string, ResetTo, Partial<Place>, number]>([
    ['earliest is the log start', { at: 'earliest' }, {}, 10],
    ['latest is the end', { at: 'latest' }, {}, 100],
    ['an offset is that offset', { at: 'offset', offset: 55 }, {}, 55],
    ['the end itself may be asked for', { at: 'offset', offset: 100 }, {}, 100],
    ['the last n end at the end', { at: 'tail', count: 5 }, {}, 95],
    ['the last n begin at the log start at the earliest', { at: 'tail', count: 500 }, {}, 10],
    ['a time is the first record at or after it', { at: 'time', timestamp: 1 }, { atTime: 70 }, 70],
    ['a time after the last record is the end', { at: 'time', timestamp: 1 }, { atTime: null }, 100],
    ['a shift counts from the commit', { at: 'shift', by: -7 }, {}, 33],
    ['a shift back goes as far as the log', { at: 'shift', by: -700 }, {}, 10],
    ['a shift on goes as far as the log', { at: 'shift', by: 700 }, {}, 100],
    [
      'a shift brings a commit that retention has passed back into the log',
      { at: 'shift', by: 0 },
      { committed: 3 },
      10,
    ],
  ])('%s', (_, to, of, offset) => {
    const { committed = 40 } = of;
    expect(planReset([place(of)], to)).toEqual([
      { topic: 'clicks', partition: 0, committed, offset, lag: 100 - offset },
    ]);
  });
  it('of each partition by itself', () => {
    expect(offsetsOf([place(), place({ partition: 1, start: 0, end: 3 })], { at: 'earliest' })).toEqual([10, 0]);
  });
  it('refuses an offset outside the log, naming start and end of every such partition', () => {
    const places = [place(), place({ partition: 1, start: 0, end: 3 }), place({ topic: 'orders', start: 6, end: 8 })];
    const refused = () => planReset(places, { at: 'offset', offset: 9 });
    expect(refused).toThrow(LogError);
    expect(refused).toThrow(
      expect.objectContaining({
        code: 'OFFSET_OUT_OF_RANGE',
        message:
          'outside the log: 9 in clicks-0, which has 10 to 100; 9 in clicks-1, which has 0 to 3; 9 in orders-0, which has 6 to 8',
        topic: 'clicks',
        partition: 0,
        offset: 9,
        logStart: 10,
        logEnd: 100,
      }),
    );
  });
  it('refuses to shift where nothing is committed', () => {
    expect(() => planReset([place({ committed: null })], { at: 'shift', by: 1 })).toThrow(/clicks-0 has no commit/);
  });
});

describe('--topic', () => {
  const parsed = (...texts: string[]) =>
    [...texts.reduce<ReturnType<typeof parseTopics>>((before, text) => parseTopics(text, before), new Map())].map(
      ([topic, numbers]) => [topic, numbers && [...numbers]],
    );
  it('names topics and partitions, several times', () => {
    expect(parsed('clicks', 'orders:0,2', 'orders:3')).toEqual([
      ['clicks', undefined],
      ['orders', [0, 2, 3]],
    ]);
    expect(parsed('clicks:1', 'clicks')).toEqual([['clicks', undefined]]);
    expect(parsed('clicks', 'clicks:1')).toEqual([['clicks', undefined]]);
  });
  it.each(['', ':1', 'clicks:', 'clicks:a', 'clicks:1,', 'clicks:-1', 'clicks:99999999999999999'])(
    'refuses %j',
    (text) => {
      expect(() => parseTopics(text)).toThrow(/must be a topic/);
    },
  );
});
