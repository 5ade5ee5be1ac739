// The topic cache, told answers and pushes by hand.
import { describe, expect, it } from 'vitest';
import { LogError, type ServerFrameOf, type TopicInfo } from '../protocol/index.ts';
import { type AskMetadata, SessionTopics } from './topic-cache.ts';

const info = (name: string, topicId: string, ends: number[] = [0]): TopicInfo => ({
  name,
  topicId,
  internal: false,
  partitions: ends.map((end, partition) => ({
    partition,
    logStart: 0,
    highWatermark: end,
    lastStableOffset: end,
    leaderEpoch: 0,
  })),
});

function open(...answers: (Partial<ServerFrameOf<'metadata'>> | LogError)[]) {
  const asked: object[] = [];
  const reported: unknown[] = [];
  const ask: AskMetadata = async (question) => {
    asked.push(question);
    const answer = answers.shift() ?? {};
    if (answer instanceof LogError) throw answer;
    return { type: 'metadata', id: 1, topics: [], ...answer };
  };
  const topics = new SessionTopics(ask, (error) => reported.push(error));
  const told: string[] = [];
  topics.onChange(() => told.push('change'));
  topics.onEnds(() => told.push('ends'));
  return { topics, asked, told, reported, took: () => told.splice(0) };
}

describe('the topic cache', () => {
  it('watches over reconnects, and a difference found afterwards is a change', async () => {
    const { topics, asked, took } = open(
      { topics: [info('a', '1'), info('b', '2')] },
      { topics: [info('a', '1'), info('b', '2')] },
      { topics: [info('a', '3')] },
    );
    topics.onLive();
    expect(asked).toEqual([]);
    await topics.watch();
    await topics.watch();
    expect(asked).toEqual([{ watch: true }]);
    expect(topics.names()).toEqual(['a', 'b']);
    expect(took()).toEqual(['change', 'ends']);
    topics.onLive();
    await Promise.resolve();
    expect(took()).toEqual([]);
    topics.onLive();
    await new Promise((resolve) => setTimeout(resolve));
    expect(took()).toContain('change');
    expect([topics.ends('1', 0), topics.ends('2', 0), topics.byName('b')]).toEqual([undefined, undefined, undefined]);
    expect(topics.byName('a')?.topicId).toBe('3');
  });

  it('believes a push that came right behind an answer, though the answer is looked at later', async () => {
    const behind: { readonly push: Parameters<SessionTopics['onTopics']>[0]; readonly answer: TopicInfo[] }[] = [];
    const topics = new SessionTopics(
      async (_, options) => {
        const reply: ServerFrameOf<'metadata'> = { type: 'metadata', id: 1, topics: behind[0]?.answer ?? [] };
        options?.onAnswer?.(reply);
        const next = behind.shift();
        if (next !== undefined) topics.onTopics(next.push);
        return reply;
      },
      (error) => expect.unreachable(String(error)),
    );
    const push = (changed: TopicInfo[], deleted: string[]) => ({ type: 'topics' as const, changed, deleted });
    behind.push({ answer: [info('a', '1'), info('b', '2')], push: push([info('new', '3')], ['b']) });
    await topics.watch();
    expect(topics.names().toSorted()).toEqual(['a', 'new']);
    behind.push({ answer: [], push: push([info('c', '4')], []) });
    expect(await topics.describe(['c'])).toEqual([info('c', '4')]);
    expect(await topics.describe(['c'])).toEqual([]);
  });

  it('goes on asking on a new connection until it is watched again, one question at a time', async () => {
    const options: { retry?: unknown; signal?: AbortSignal | undefined }[] = [];
    const topics = new SessionTopics(
      async (_question, how) => {
        options.push(how ?? {});
        if (options.length === 2) return new Promise(() => undefined);
        return { type: 'metadata', id: 1, topics: [info('a', '1')] };
      },
      () => undefined,
    );
    await topics.watch();
    topics.onLive();
    topics.onLive();
    expect(options.map(({ retry, signal }) => [retry, signal?.aborted])).toEqual([
      [undefined, undefined],
      [undefined, true],
      [undefined, false],
    ]);
  });

  it('that is watched for several is watched on when the first of them gives up', async () => {
    const asked: (AbortSignal | undefined)[] = [];
    const topics = new SessionTopics(
      (_question, how) => {
        asked.push(how?.signal);
        return asked.length === 1
          ? new Promise((_, reject) => {
              how?.signal?.addEventListener('abort', () => reject(new LogError('ABORTED', 'x')));
            })
          : Promise.resolve({ type: 'metadata', id: 1, topics: [info('a', '1')] });
      },
      () => undefined,
    );
    const [first, second] = [new AbortController(), new AbortController()];
    const watching = topics.watch({ signal: first.signal });
    const others = [topics.watch({ signal: second.signal }), topics.watch()];
    first.abort();
    await expect(watching).rejects.toMatchObject({ code: 'ABORTED' });
    await Promise.all(others);
    expect(asked).toEqual([first.signal, second.signal]);
    expect(topics.names()).toEqual(['a']);
  });

  it('asks again when the first list could not be had', async () => {
    const { topics } = open(new LogError('TIMED_OUT', 'x'), { topics: [info('a', '1')] });
    await expect(topics.watch()).rejects.toMatchObject({ code: 'TIMED_OUT' });
    await topics.watch();
    expect(topics.names()).toEqual(['a']);
  });

  it('takes pushes: created, grown, created anew under another id, deleted', () => {
    const { topics, took } = open();
    topics.onTopics({ type: 'topics', changed: [info('a', '1')], deleted: [] });
    expect(took()).toContain('change');
    topics.onTopics({ type: 'topics', changed: [info('a', '1', [0, 0])], deleted: [] });
    expect(took()).toContain('change');
    topics.onTopics({ type: 'topics', changed: [info('a', '1', [5, 0])], deleted: [] });
    expect(took()).toEqual(['ends']);
    topics.onTopics({ type: 'topics', changed: [info('a', '2')], deleted: [] });
    expect(took()).toContain('change');
    expect(topics.ends('1', 0)).toBeUndefined();
    topics.onTopics({ type: 'topics', changed: [], deleted: ['a', 'unknown'] });
    expect(took()).toEqual(['change']);
    topics.onTopics({ type: 'topics', changed: [], deleted: ['a'] });
    expect(took()).toEqual([]);
  });

  it('knows the newest ends, wherever they came from, and tells only what changed', () => {
    const { topics, took } = open();
    const ends = { logStart: 0, highWatermark: 9, lastStableOffset: 8 };
    topics.onData('1', 0, ends);
    topics.onData('1', 0, { ...ends });
    topics.onEndsFrame([{ topicId: '1', partition: 0, ...ends }]);
    expect(took()).toEqual(['ends']);
    topics.onEndsFrame([{ topicId: '1', partition: 0, ...ends, logStart: 3 }]);
    expect(took()).toEqual(['ends']);
    expect(topics.ends('1', 0)).toEqual({ ...ends, logStart: 3 });
  });

  it('describes the topics that exist, forgets those that do not any more, and creates where asked to', async () => {
    const error = { topic: 'b', code: 'UNKNOWN_TOPIC_OR_PARTITION', message: 'no' };
    const { topics, asked } = open(
      { topics: [info('a', '1'), info('b', '2')] },
      { topics: [info('a', '1')], errors: [error] },
    );
    await topics.describe(['a', 'b'], { autoCreate: true });
    expect(await topics.describe(['a', 'b'])).toEqual([info('a', '1')]);
    expect(topics.names()).toEqual(['a']);
    expect(asked).toEqual([{ topics: ['a', 'b'], autoCreate: true }, { topics: ['a', 'b'] }]);
    expect(await topics.describe([])).toEqual([]);
    expect(asked).toHaveLength(2);
  });

  it('rejects on what only the caller can mend', async () => {
    const error = { topic: 'b', code: 'TOPIC_AUTHORIZATION_FAILED', message: 'not allowed' };
    const { topics, asked } = open({ errors: [error] });
    await expect(topics.describe(['..'])).rejects.toMatchObject({ code: 'INVALID_TOPIC_EXCEPTION', topic: '..' });
    expect(asked).toEqual([]);
    await expect(topics.describe(['b'])).rejects.toMatchObject({ code: 'TOPIC_AUTHORIZATION_FAILED', topic: 'b' });
  });

  it('goes on when a listener throws or leaves while being told', () => {
    const { topics, reported, took } = open();
    const bug = new Error('a bug');
    const stop = topics.onChange(() => {
      stop();
      throw bug;
    });
    const told: string[] = [];
    topics.onChange(() => told.push('last'));
    topics.onTopics({ type: 'topics', changed: [info('a', '1')], deleted: [] });
    topics.onTopics({ type: 'topics', changed: [info('b', '2')], deleted: [] });
    expect(told).toEqual(['last', 'last']);
    expect(reported).toEqual([bug]);
    expect(took().filter((what) => what === 'change')).toHaveLength(2);
  });
});
