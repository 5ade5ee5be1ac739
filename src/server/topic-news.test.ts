import { describe, expect, it } from 'vitest';
import { TopicNews } from './topic-news.ts';

describe('news of topics', () => {
  it('are told at once while nobody looks', () => {
    const told: string[] = [];
    const news = new TopicNews<string>((change) => told.push(change));
    news.changed('a');
    news.look()();
    news.changed('b');
    expect(told).toEqual(['a', 'b']);
  });

  it('wait for the answers that were under way when they happened, no others, and stay in order', () => {
    const told: string[] = [];
    const news = new TopicNews<string>((change) => told.push(change));
    const first = news.look();
    news.changed('a');
    const second = news.look();
    news.changed('b');
    expect(told).toEqual([]);
    second();
    expect(told).toEqual([]);
    const third = news.look();
    news.changed('c');
    first();
    expect(told).toEqual(['a', 'b']);
    third();
    expect(told).toEqual(['a', 'b', 'c']);
  });
});
