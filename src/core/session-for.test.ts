// Where a client's session comes from.
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../testing/manual-clock.ts';
import { memoryTransport } from '../testing/memory-transport.ts';
import { SESSION } from './session.ts';
import { sessionFor } from './session-for.ts';

const transport = memoryTransport({ accept: () => ({ onFrame: () => undefined, onClose: () => undefined }) });

describe('a client', () => {
  it('opens a session of its own, with its configuration and defaults, and closes it when it is done', async () => {
    const { session, release } = sessionFor({ transport, clientId: 'me', clock: new ManualClock() });
    expect(session.clientId).toBe('me');
    expect(session.requestTimeoutMs).toBe(30_000);
    expect(session.status).toMatchObject({ url: 'ws://memory:9192/', attempt: 0 });
    await release();
    expect(session.status.type).toBe('closed');
  });

  it('shares the session it was given, which ends with its last user', async () => {
    const first = sessionFor({ transport });
    const second = sessionFor({ [SESSION]: first.session });
    expect(second.session).toBe(first.session);
    await first.release();
    await first.release();
    expect(first.session.status.type).toBe('connecting');
    await second.release();
    expect(first.session.status.type).toBe('closed');
  });

  it('says what is wrong with its servers or its lack of a transport', () => {
    const invalid = expect.objectContaining({ code: 'INVALID_CONFIG' });
    expect(() => sessionFor({})).toThrow(/transport is missing/);
    expect(() => sessionFor({ transport, bootstrapServers: 'example.com' })).toThrow(/has no port/);
    expect(() => sessionFor({ transport, bootstrapServers: 'http://example.com' })).toThrow(invalid);
    expect(() => sessionFor({ transport, requestTimeoutMs: -1 })).toThrow(/requestTimeoutMs/);
  });
});
