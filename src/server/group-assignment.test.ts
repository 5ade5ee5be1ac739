// Assignors: whole, only to subscribers, even, and moving no more than they must.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AssignableMember,
  type AssignableTopic,
  agreedAssignor,
  assignPartitions,
  type TargetAssignment,
} from './group-assignment.ts';
import type { AssignorName } from './log.ts';

interface Wish {
  readonly memberId: string;
  readonly instanceId?: string;
  readonly topics: readonly string[];
}
type Owned = ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>;

const NAMES = ['a', 'b', 'c', 'd'];
const topicOf = (name: string, partitions: number): AssignableTopic => ({
  name,
  topicId: `id of ${name}`,
  partitions: Array.from({ length: partitions }, (_, i) => i),
});
const subscriber = (memberId: string, topics: readonly string[]): Wish => ({ memberId, topics });
const membersWith = (wishes: readonly Wish[], owned: Owned = new Map()): AssignableMember[] =>
  wishes.map(({ topics, ...rest }) => ({
    ...rest,
    topics: new Set(topics),
    owned: owned.get(rest.memberId) ?? new Map(),
  }));
const assign = (assignor: AssignorName, wishes: readonly Wish[], topics: readonly AssignableTopic[], owned?: Owned) =>
  assignPartitions(assignor, membersWith(wishes, owned), topics);
const countOf = (assignment: Owned, memberId: string): number =>
  [...(assignment.get(memberId)?.values() ?? [])].reduce((sum, { length }) => sum + length, 0);
const written = (assignment: TargetAssignment) =>
  [...assignment].map(([memberId, of]) => [
    memberId,
    [...of].map(([topicId, numbers]) => `${topicId}: ${numbers}`).sort(),
  ]);
/** `topicId/partition` → member. */
function ownersOf(assignment: Owned): Map<string, string> {
  const owners = new Map<string, string>();
  for (const [memberId, of] of assignment) {
    for (const [topicId, numbers] of of) for (const number of numbers) owners.set(`${topicId}/${number}`, memberId);
  }
  return owners;
}
/** How many partitions have an owner that did not have them. */
function moved(owned: Owned, assignment: Owned): number {
  const before = ownersOf(owned);
  return [...ownersOf(assignment)].filter(([key, memberId]) => before.get(key) !== memberId).length;
}

const someTopics = fc
  .tuple(...NAMES.map(() => fc.integer({ min: 0, max: 7 })))
  .map((counts) => counts.flatMap((count, i) => (count === 0 ? [] : [topicOf(NAMES[i] ?? '', count)])));
const identical = fc
  .integer({ min: 1, max: 7 })
  .map((n) => Array.from({ length: n }, (_, i) => subscriber(`m${i}`, NAMES)));
const different = fc
  .array(fc.subarray(NAMES), { minLength: 1, maxLength: 6 })
  .map((subscriptions) => subscriptions.map((topics, i) => subscriber(`m${i}`, topics)));
/** Anything at all, also what is gone, what nobody subscribes to, and what two claim: partition i of a topic is claimed by the members of claims[i]. */
const claims = fc.array(fc.array(fc.integer({ min: 0, max: 8 }), { maxLength: 2 }), { maxLength: 32 });
function ownedBy(claimed: readonly (readonly number[])[]): Owned {
  const owned = new Map<string, Map<string, number[]>>();
  for (const [i, members] of claimed.entries()) {
    const topicId = `id of ${NAMES[i % NAMES.length]}`;
    for (const member of members) {
      const of = owned.get(`m${member}`) ?? new Map<string, number[]>();
      owned.set(`m${member}`, of);
      of.set(topicId, [...(of.get(topicId) ?? []), Math.floor(i / NAMES.length)]);
    }
  }
  return owned;
}

describe.each(['uniform', 'range'] as const)('%s', (assignor) => {
  it('gives every partition of a subscribed topic to exactly one subscriber, whatever they had', () => {
    fc.assert(
      fc.property(different, someTopics, claims, (wishes, topics, claimed) => {
        const assignment = assign(assignor, wishes, topics, ownedBy(claimed));
        expect([...assignment.keys()]).toEqual(wishes.map(({ memberId }) => memberId));
        const given = [...assignment].flatMap(([memberId, of]) =>
          [...of].flatMap(([topicId, numbers]) => numbers.map((number) => ({ memberId, topicId, number }))),
        );
        const subscribed = topics.filter(({ name }) => wishes.some((wish) => wish.topics.includes(name)));
        expect(given.map(({ topicId, number }) => `${topicId}/${number}`).sort()).toEqual(
          subscribed.flatMap(({ topicId, partitions }) => partitions.map((p) => `${topicId}/${p}`)).sort(),
        );
        for (const { memberId, topicId } of given) {
          const name = topics.find((topic) => topic.topicId === topicId)?.name ?? '';
          expect(wishes.find((wish) => wish.memberId === memberId)?.topics).toContain(name);
        }
      }),
    );
  });

  it('changes nothing when asked again, and always answers the same', () => {
    fc.assert(
      fc.property(different, someTopics, claims, (wishes, topics, claimed) => {
        const first = assign(assignor, wishes, topics, ownedBy(claimed));
        expect(written(assign(assignor, wishes, topics, ownedBy(claimed)))).toEqual(written(first));
        expect(written(assign(assignor, wishes, topics, first))).toEqual(written(first));
      }),
    );
  });

  it('names partitions in ascending order and no topic without any', () => {
    fc.assert(
      fc.property(different, someTopics, claims, (wishes, topics, claimed) => {
        for (const of of assign(assignor, wishes, topics, ownedBy(claimed)).values()) {
          for (const numbers of of.values()) {
            expect(numbers.length).toBeGreaterThan(0);
            expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
          }
        }
      }),
    );
  });
});

describe('uniform', () => {
  it('gives members with one subscription the same number, or one more, and moves exactly what that takes', () => {
    fc.assert(
      fc.property(identical, someTopics, claims, (wishes, topics, claimed) => {
        const owned = onlyFirstClaims(ownedBy(claimed), wishes, topics);
        const assignment = assign('uniform', wishes, topics, owned);
        const total = topics.reduce((sum, { partitions }) => sum + partitions.length, 0);
        const least = Math.floor(total / wishes.length);
        const counts = wishes.map(({ memberId }) => countOf(assignment, memberId));
        expect([...counts].sort((a, b) => a - b)).toEqual(
          wishes.map((_, i) => (i < wishes.length - (total % wishes.length) ? least : least + 1)),
        );
        // Who has most may have one more; what nobody keeps must move.
        const had = wishes.map(({ memberId }) => countOf(owned, memberId)).sort((a, b) => b - a);
        const kept = had.reduce((sum, n, i) => sum + Math.min(n, i < total % wishes.length ? least + 1 : least), 0);
        expect(moved(owned, assignment)).toBe(total - kept);
      }),
      { numRuns: 500 },
    );
  });

  it('is as even, and moves as little, as any assignment of few partitions to members with different subscriptions', () => {
    const few = fc
      .tuple(...NAMES.map(() => fc.integer({ min: 0, max: 2 })))
      .map((counts) => counts.flatMap((count, i) => (count === 0 ? [] : [topicOf(NAMES[i] ?? '', count)])));
    const members = fc
      .array(fc.subarray(NAMES), { minLength: 1, maxLength: 4 })
      .map((subscriptions) => subscriptions.map((topics, i) => subscriber(`m${i}`, topics)));
    const someClaims = fc.array(fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 1 }), { maxLength: 8 });
    fc.assert(
      fc.property(members, few, someClaims, (wishes, topics, claimed) => {
        const owned = onlyFirstClaims(ownedBy(claimed), wishes, topics);
        const assignment = assign('uniform', wishes, topics, owned);
        const squares = wishes.reduce((sum, { memberId }) => sum + countOf(assignment, memberId) ** 2, 0);
        expect([squares, moved(owned, assignment)]).toEqual(bestOfAll(wishes, topics, owned));
      }),
      { numRuns: 300 },
    );
  });

  it('leaves no member with a partition that a subscriber with two fewer could have', () => {
    fc.assert(
      fc.property(different, someTopics, claims, (wishes, topics, claimed) => {
        const assignment = assign('uniform', wishes, topics, ownedBy(claimed));
        for (const { name, topicId } of topics) {
          const givers = wishes.filter(({ memberId }) => assignment.get(memberId)?.has(topicId));
          const most = Math.max(0, ...givers.map(({ memberId }) => countOf(assignment, memberId)));
          for (const { memberId, topics: names } of wishes) {
            if (names.includes(name)) expect(countOf(assignment, memberId)).toBeGreaterThanOrEqual(most - 1);
          }
        }
      }),
    );
  });

  it('spreads each topic evenly too when nobody had anything', () => {
    fc.assert(
      fc.property(identical, someTopics, (wishes, topics) => {
        const assignment = assign('uniform', wishes, topics);
        for (const { topicId } of topics) {
          const counts = wishes.map(({ memberId }) => assignment.get(memberId)?.get(topicId)?.length ?? 0);
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it('moves partitions only to a member that joins, and only those of a member that leaves', () => {
    fc.assert(
      fc.property(identical, someTopics, fc.nat(), (wishes, topics, pick) => {
        const before = assign('uniform', wishes, topics);
        const joined = assign('uniform', [...wishes, subscriber('new', NAMES)], topics, before);
        expect(moved(before, joined)).toBe(countOf(joined, 'new'));
        const gone = wishes[pick % wishes.length]?.memberId ?? '';
        const left = assign(
          'uniform',
          wishes.filter(({ memberId }) => memberId !== gone),
          topics,
          before,
        );
        if (wishes.length > 1) expect(moved(before, left)).toBe(countOf(before, gone));
      }),
    );
  });

  it('takes away first what a member was not to keep anyway', () => {
    const owned: Owned = new Map([['m0', new Map([['id of a', [2, 3, 0, 1]]])]]);
    expect(
      written(assign('uniform', [subscriber('m0', ['a']), subscriber('m1', ['a'])], [topicOf('a', 4)], owned)),
    ).toEqual([
      ['m0', ['id of a: 2,3']],
      ['m1', ['id of a: 0,1']],
    ]);
  });

  it('evens out along a chain: who shares no topic with the most loaded gets from the one between', () => {
    const wishes = [subscriber('heavy', ['a']), subscriber('between', ['a', 'b']), subscriber('light', ['b'])];
    const topics = [topicOf('a', 4), topicOf('b', 2)];
    const owned: Owned = new Map([
      ['heavy', new Map([['id of a', [0, 1, 2]]])],
      [
        'between',
        new Map([
          ['id of a', [3]],
          ['id of b', [0]],
        ]),
      ],
      ['light', new Map([['id of b', [1]]])],
    ]);
    expect(written(assign('uniform', wishes, topics, owned))).toEqual([
      ['heavy', ['id of a: 0,1']],
      ['between', ['id of a: 2,3']],
      ['light', ['id of b: 0,1']],
    ]);
  });

  it.each([
    ['one topic, everything with the first', 1, 1_000, 'first'],
    ['one topic, nothing owned', 1, 1_000, 'nobody'],
    ['50 topics, everything with the first', 50, 20, 'first'],
    ['50 topics, nothing owned', 50, 20, 'nobody'],
    ['20 topics, every member subscribes to four', 20, 50, 'some'],
  ] as const)('shares 1,000 partitions among 100 members evenly, each once: %s', (_, topicCount, each, who) => {
    const topics = Array.from({ length: topicCount }, (_, i) => topicOf(`t${i}`, each));
    const names = topics.map(({ name }) => name);
    const wishes = Array.from({ length: 100 }, (_, i) =>
      subscriber(`m${i}`, who === 'some' ? names.filter((_, t) => (i + t) % 5 === 0) : names),
    );
    const everything = new Map(topics.map(({ topicId, partitions }) => [topicId, partitions]));
    const owned: Owned = who === 'first' ? new Map([['m0', everything]]) : new Map();
    const assignment = assign('uniform', wishes, topics, owned);
    expect(ownersOf(assignment).size).toBe(1_000);
    const counts = wishes.map(({ memberId }) => countOf(assignment, memberId));
    expect([Math.min(...counts), Math.max(...counts)]).toEqual([10, 10]);
    if (who === 'first') expect(moved(owned, assignment)).toBe(990);
  });
});

/** Each partition as its first claimant has it, if it is there to be had. */
function onlyFirstClaims(owned: Owned, wishes: readonly Wish[], topics: readonly AssignableTopic[]): Owned {
  const taken = new Set<string>();
  return new Map(
    wishes.map(({ memberId, topics: names }) => [
      memberId,
      new Map(
        topics
          .filter(({ name }) => names.includes(name))
          .map(({ topicId, partitions }) => [
            topicId,
            (owned.get(memberId)?.get(topicId) ?? []).filter((number) => {
              if (!partitions.includes(number) || taken.has(`${topicId}/${number}`)) return false;
              taken.add(`${topicId}/${number}`);
              return true;
            }),
          ]),
      ),
    ]),
  );
}

/** By trying all: the least sum of squares, and the fewest moves with it. */
function bestOfAll(wishes: readonly Wish[], topics: readonly AssignableTopic[], owned: Owned): [number, number] {
  const owners = ownersOf(owned);
  const partitions = topics.flatMap(({ name, topicId, partitions: numbers }) =>
    numbers.map((number) => ({ name, before: owners.get(`${topicId}/${number}`) })),
  );
  let best: [number, number] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  const counts = wishes.map(() => 0);
  const next = (i: number, moves: number): void => {
    const partition = partitions[i];
    const takers = wishes.flatMap(({ topics: names }, m) => (partition && names.includes(partition.name) ? [m] : []));
    if (partition === undefined) {
      const squares = counts.reduce((sum, n) => sum + n * n, 0);
      if (squares < best[0] || (squares === best[0] && moves < best[1])) best = [squares, moves];
    } else if (takers.length === 0) next(i + 1, moves);
    for (const m of takers) {
      counts[m] = (counts[m] ?? 0) + 1;
      next(i + 1, moves + (partition?.before === wishes[m]?.memberId ? 0 : 1));
      counts[m] = (counts[m] ?? 0) - 1;
    }
  };
  next(0, 0);
  return best;
}

describe('range', () => {
  it('gives members in the order of their names consecutive ranges, the first ones one more', () => {
    const wishes = ['c', 'a', 'b'].map((name) => subscriber(name, ['a', 'b']));
    expect(written(assign('range', wishes, [topicOf('a', 7), topicOf('b', 2)]))).toEqual([
      ['c', ['id of a: 5,6']],
      ['a', ['id of a: 0,1,2', 'id of b: 0']],
      ['b', ['id of a: 3,4', 'id of b: 1']],
    ]);
  });

  it('puts static members first, by instance id, whatever their member ids', () => {
    const wishes: Wish[] = [
      { memberId: '0', topics: ['a'] },
      { memberId: '1', instanceId: 'z', topics: ['a'] },
      { memberId: '2', instanceId: 'y', topics: ['a'] },
    ];
    expect(written(assign('range', wishes, [topicOf('a', 3)]))).toEqual([
      ['0', ['id of a: 2']],
      ['1', ['id of a: 1']],
      ['2', ['id of a: 0']],
    ]);
  });

  it('gives partitions of one number of topics with one size and the same subscribers to one member', () => {
    fc.assert(
      fc.property(different, fc.integer({ min: 1, max: 9 }), (wishes, size) => {
        const owners = ownersOf(
          assign(
            'range',
            wishes,
            NAMES.map((name) => topicOf(name, size)),
          ),
        );
        const subscribers = (name: string) => wishes.filter(({ topics }) => topics.includes(name)).length;
        const together = (name: string) => wishes.every(({ topics }) => topics.includes(name) === topics.includes('a'));
        for (const name of NAMES.filter((one) => subscribers(one) > 0 && together(one))) {
          for (let p = 0; p < size; p++) {
            expect(owners.get(`id of ${name}/${p}`)).toBe(owners.get(`id of a/${p}`));
          }
        }
      }),
    );
  });
});

describe('the assignor of a group', () => {
  it('is what most of its members want; who does not say, and a draw, are for uniform', () => {
    expect(agreedAssignor([])).toBe('uniform');
    expect(agreedAssignor(['range'])).toBe('range');
    expect(agreedAssignor(['range', undefined])).toBe('uniform');
    expect(agreedAssignor(['range', undefined, 'range'])).toBe('range');
    expect(agreedAssignor(['range', 'uniform', 'uniform'])).toBe('uniform');
  });
});
