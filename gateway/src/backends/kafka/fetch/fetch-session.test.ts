import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FetchPartition } from './fetch-api.ts';
import { epochAfter, FetchSession, isOfSession, keyOf } from './fetch-session.ts';
import { byKey, ModelSessions } from './test-model-broker.ts';

const wantedPartitions = fc.uniqueArray(
  fc.record({
    topicId: fc.constantFrom('t1', 't2'),
    partition: fc.nat(3),
    offset: fc.nat(3),
    maxBytes: fc.constantFrom(10, 20),
    leaderEpoch: fc.nat(2),
  }),
  { selector: keyOf, maxLength: 6 },
);
const step = fc.record({
  wanted: wantedPartitions,
  fate: fc.constantFrom('answered', 'answered', 'answered', 'request lost', 'answer lost', 'evicted', 'full'),
});

describe('a fetch session', () => {
  it('makes the broker read exactly what is wanted, whatever was lost, evicted or refused before', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => {
        const session = new FetchSession();
        const broker = new ModelSessions();
        for (const { wanted, fate } of steps) {
          if (fate === 'evicted') broker.evict();
          broker.hasRoom = fate !== 'full';
          const request = session.next(wanted);
          if (fate === 'request lost') {
            session.lost();
            continue;
          }
          let answer = broker.answer(request);
          if (fate === 'answer lost') {
            session.lost();
            continue;
          }
          session.answered(answer.errorCode, answer.sessionId);
          if (isOfSession(answer.errorCode)) {
            // One refusal at most, then all is said.
            answer = broker.answer(session.next(wanted));
            session.answered(answer.errorCode, answer.sessionId);
          }
          expect(answer.wanted).toEqual(byKey(wanted));
        }
        // What is lost may leave one behind, which the broker evicts; sessions never pile up by themselves.
        if (steps.every(({ fate }) => fate !== 'answer lost')) expect(broker.size).toBeLessThanOrEqual(1);
      }),
      { numRuns: 500 },
    );
  });

  it('says nothing of what is as it was', () => {
    const session = new FetchSession();
    const broker = new ModelSessions();
    const a = { topicId: 't', partition: 0, offset: 5, maxBytes: 10, leaderEpoch: 0 };
    const b = { ...a, partition: 1 };
    const ask = (wanted: FetchPartition[]) => {
      const request = session.next(wanted);
      const { errorCode, sessionId } = broker.answer(request);
      session.answered(errorCode, sessionId);
      return request;
    };
    expect(ask([a, b]).partitions).toEqual([a, b]);
    expect(ask([a, b])).toMatchObject({ sessionId: 1, sessionEpoch: 1, partitions: [], forgotten: [] });
    expect(ask([{ ...a, offset: 6 }, b])).toMatchObject({ partitions: [{ ...a, offset: 6 }], forgotten: [] });
    expect(ask([b])).toMatchObject({ sessionEpoch: 3, partitions: [], forgotten: [{ topicId: 't', partition: 0 }] });
  });

  it('begins anew in the place of a session whose epoch was refused', () => {
    const session = new FetchSession();
    session.next([]);
    session.answered(0, 7);
    session.next([]);
    session.answered(71, 0);
    expect(session.next([])).toMatchObject({ sessionId: 7, sessionEpoch: 0 });
  });

  it('counts epochs past the largest to 1, since 0 begins a session', () => {
    expect(epochAfter(1)).toBe(2);
    expect(epochAfter(2 ** 31 - 1)).toBe(1);
  });
});
