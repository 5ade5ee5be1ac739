import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignGroup, COOPERATIVE_STICKY, type GroupMember, RANGE } from './assign.ts';
import type { ByTopic } from './consumer-protocol.ts';

const keysOf = (byTopic: ByTopic | undefined): string[] =>
  [...(byTopic ?? [])].flatMap(([topic, numbers]) => numbers.map((partition) => `${topic}/${partition}`)).sort();
const member = (memberId: string, topics: readonly string[], more: Partial<GroupMember> = {}): GroupMember => ({
  memberId,
  topics,
  owned: new Map(),
  generation: -1,
  ...more,
});

describe('what a leader decides under cooperative-sticky', () => {
  it('leaves a partition to nobody while its old owner has it and another one is to get it', () => {
    const owner = member('a', ['t'], { owned: new Map([['t', [0, 1, 2, 3]]]), generation: 1 });
    const decided = assignGroup(COOPERATIVE_STICKY, [owner, member('b', ['t'])], () => 4);
    expect(keysOf(decided.get('a'))).toEqual(['t/0', 't/1']);
    expect(keysOf(decided.get('b'))).toEqual([]);
  });

  it('believes who heard later, of two that claim the same', () => {
    const claim = new Map([['t', [0]]]);
    const members = ['a', 'b'].map((id, i) => member(id, ['t'], { owned: claim, generation: i }));
    const decided = assignGroup(COOPERATIVE_STICKY, members, () => 1);
    expect([keysOf(decided.get('a')), keysOf(decided.get('b'))]).toEqual([[], ['t/0']]);
  });

  it('gives back what a member had that does not say so, and does not wait for it', () => {
    const forgetful = member('b', ['t'], { before: new Map([['t', [0, 1]]]) });
    const decided = assignGroup(COOPERATIVE_STICKY, [member('a', ['t']), forgetful], () => 4);
    expect(keysOf(decided.get('b'))).toEqual(['t/0', 't/1']);
    expect(keysOf(decided.get('a'))).toEqual(['t/2', 't/3']);
  });

  const sizes = { a: 5, b: 3, c: 1 } as const;
  const topicsOf = fc.subarray(Object.keys(sizes));
  /** Members with their subscriptions; then others: who is in neither has left, who is new has just come. */
  const group = fc.dictionary(fc.constantFrom('m1', 'm2', 'm3', 'm4', 'm5'), topicsOf);

  it('brings every partition to one owner within three rounds, never to two at once, as even as if it began anew', () => {
    fc.assert(
      fc.property(fc.array(group, { minLength: 1, maxLength: 5 }), (groups) => {
        const held = new Map<string, ByTopic>();
        let generation = 0;
        for (const wanted of groups) {
          for (const gone of [...held.keys()].filter((id) => wanted[id] === undefined)) held.delete(gone);
          for (let round = 1; ; round++) {
            const members = Object.entries(wanted).map(([id, topics]) => {
              const owned = held.get(id);
              return member(id, topics, {
                owned: owned ?? new Map(),
                generation: owned === undefined ? -1 : generation,
              });
            });
            const decided = assignGroup(COOPERATIVE_STICKY, members, (topic) => sizes[topic as keyof typeof sizes]);
            generation++;
            // Before anybody has let go of anything.
            const holders = new Map<string, string>();
            for (const [id] of decided) {
              for (const key of new Set([...keysOf(decided.get(id)), ...keysOf(held.get(id))])) {
                expect(holders.get(key), `${key} in two hands`).toBe(undefined);
                holders.set(key, id);
              }
            }
            const lettingGo = [...decided].some(([id, given]) => {
              const now = new Set(keysOf(given));
              return keysOf(held.get(id)).some((key) => !now.has(key));
            });
            for (const [id, given] of decided) held.set(id, given);
            if (!lettingGo) break;
            expect(round).toBeLessThan(3);
          }
          const all = Object.values(wanted).flat();
          const subscribed = Object.entries(sizes).filter(([topic]) => all.includes(topic));
          const count = [...held.values()].reduce((sum, given) => sum + keysOf(given).length, 0);
          expect(count).toBe(subscribed.reduce((sum, [, size]) => sum + size, 0));
          const anew = Object.entries(wanted).map(([id, topics]) => member(id, topics));
          const fresh = assignGroup(COOPERATIVE_STICKY, anew, (topic) => sizes[topic as keyof typeof sizes]);
          const loads = (given: ReadonlyMap<string, ByTopic>) =>
            Object.keys(wanted)
              .map((id) => keysOf(given.get(id)).length)
              .sort();
          expect(loads(held)).toEqual(loads(fresh));
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('what a leader decides under range', () => {
  it('is what Java decides: consecutive partitions of each topic, by instance id, then by member id', () => {
    const members = [
      member('z', ['t', 'u'], { instanceId: 'a' }),
      member('b', ['t']),
      member('a', ['t', 'u']),
      member('y', ['u'], { instanceId: 'b' }),
    ];
    const decided = assignGroup(RANGE, members, (topic) => (topic === 't' ? 7 : 2));
    expect(Object.fromEntries([...decided].map(([id, given]) => [id, keysOf(given)]))).toEqual({
      z: ['t/0', 't/1', 't/2', 'u/0'],
      a: ['t/3', 't/4'],
      b: ['t/5', 't/6'],
      y: ['u/1'],
    });
  });
});
