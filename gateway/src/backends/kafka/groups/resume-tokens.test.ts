// Whom a resume token takes up, and whom not; and what members are called.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientIdOf, hiddenInstanceId, markOf, memberOfHidden, newMemberId } from './identity.ts';
import { ResumeTokens, type TokenSubject } from './resume-tokens.ts';

const secret = 'the same on every gateway of this cluster';
const subject: TokenSubject = { groupId: 'g', memberId: 'm', instanceId: 'i', principal: undefined };

describe('a resume token', () => {
  it('is good wherever the secret is known, and another one each time', () => {
    const [here, there] = [new ResumeTokens(secret), new ResumeTokens(secret)];
    const tokens = Array.from({ length: 10 }, () => here.issue(subject, 'life'));
    expect(new Set(tokens).size).toBe(10);
    for (const token of tokens) {
      expect(token).toMatch(/^[\w-]{75}$/);
      expect(there.check(token, subject, 'life', markOf('life'))).toBe('good');
    }
  });

  it('is spent as soon as the coordinator calls the member something else', () => {
    const tokens = new ResumeTokens(secret);
    expect(tokens.check(tokens.issue(subject, 'life'), subject, 'another', markOf('another'))).toBe('spent');
  });

  it('is good for whom it took up itself, until another one is used', () => {
    const [here, there] = [new ResumeTokens(secret), new ResumeTokens(secret)];
    const token = here.issue(subject, 'life');
    const first = newMemberId('x', Math.random, here.mark(token));
    const again = newMemberId('x', Math.random, there.mark(token));
    expect([again === first, clientIdOf(first)]).toEqual([false, 'x']);
    expect([
      there.check(token, subject, first, markOf(first)),
      there.check(token, subject, again, markOf(again)),
    ]).toEqual(['good', 'good']);
    const successor = here.issue(subject, first);
    const second = newMemberId('x', Math.random, there.mark(successor));
    expect([
      there.check(successor, subject, first, markOf(first)),
      there.check(token, subject, second, markOf(second)),
    ]).toEqual(['good', 'spent']);
    expect(there.check(token, subject, newMemberId('x', Math.random), markOf(newMemberId('x', Math.random)))).toBe(
      'spent',
    );
    expect(there.check(token, { ...subject, memberId: 'n' }, first, markOf(first))).toBe('forged');
  });

  it('is worth nothing for anybody else, nor under another secret', () => {
    const tokens = new ResumeTokens(secret);
    const token = tokens.issue(subject, 'life');
    const others: Partial<TokenSubject>[] = [
      { groupId: 'h' },
      { memberId: 'n' },
      { instanceId: 'j' },
      { principal: 'alice' },
      { principal: '' },
      { groupId: 'g","m', memberId: '' },
    ];
    for (const other of others)
      expect(tokens.check(token, { ...subject, ...other }, 'life', markOf('life'))).toBe('forged');
    for (const tokens of [new ResumeTokens(`${secret}.`), new ResumeTokens(undefined)]) {
      expect(tokens.check(token, subject, 'life', markOf('life'))).toBe('forged');
    }
  });

  it('of a process without a secret is good in that process only', () => {
    const [here, there] = [new ResumeTokens(undefined), new ResumeTokens(undefined)];
    const token = here.issue(subject, 'life');
    expect([
      here.check(token, subject, 'life', markOf('life')),
      there.check(token, subject, 'life', markOf('life')),
    ]).toEqual(['good', 'forged']);
  });

  it('cannot be made up', () => {
    const tokens = new ResumeTokens(secret);
    const good = Buffer.from(tokens.issue(subject, 'life'), 'base64url');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(tokens.check(Buffer.from(bytes).toString('base64url'), subject, 'life', markOf('life'))).toBe('forged');
      }),
    );
    for (let at = 0; at < good.length; at++) {
      const bent = Buffer.from(good);
      bent[at] = (bent[at] ?? 0) ^ 1;
      expect(tokens.check(bent.toString('base64url'), subject, 'life', markOf('life'))).toBe('forged');
    }
    for (const text of ['', ' ', '✓', 'a'.repeat(128)])
      expect(tokens.check(text, subject, 'life', markOf('life'))).toBe('forged');
  });
});

describe('what a member is called', () => {
  it('says which client it is, fits where clients must repeat it, and is nobody else’s', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300, unit: 'binary' }), (clientId) => {
        const memberId = newMemberId(clientId, Math.random);
        expect(memberId).toMatch(/^[\w.-]{37,64}$/);
        expect(newMemberId(clientId, Math.random)).not.toBe(memberId);
        expect(memberOfHidden(hiddenInstanceId(memberId))).toBe(memberId);
      }),
    );
    expect(clientIdOf(newMemberId('billing-7', Math.random))).toBe('billing-7');
    expect(clientIdOf('a Java consumer-7')).toBe('a Java consumer-7');
  });

  it('is not taken for an instance id that a client may have', () => {
    for (const instanceId of ['host-1', 'dlog.', 'dlog.x', newMemberId('x', Math.random)]) {
      expect(memberOfHidden(instanceId)).toBeUndefined();
    }
  });
});
