// What a consumer may be configured with as a member of a group.
import { describe, expect, it } from 'vitest';
import { parseConsumerConfig } from './consumer-config.ts';

describe('the configuration of a member', () => {
  it('wants the uniform assignor and is kept over a reload, unless told otherwise', () => {
    expect(parseConsumerConfig({ groupId: 'g' })).toMatchObject({ assignor: 'uniform', resumeAfterReload: true });
    const told = { groupId: 'g', assignor: 'range', resumeAfterReload: false };
    expect(parseConsumerConfig(told)).toMatchObject(told);
  });
  it('names what is allowed', () => {
    expect(() => parseConsumerConfig({ assignor: 'sticky', resumeAfterReload: 'yes' })).toThrow(
      /assignor must be 'uniform' or 'range', got "sticky".*resumeAfterReload must be true or false, got "yes"/s,
    );
  });
});
