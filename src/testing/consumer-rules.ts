// What the consumer promises, as data: every rule has cases of its own, or names the tests that check it elsewhere. Knows nothing of test runners.
import { checkedElsewhere } from './consumer-rules-elsewhere.ts';
import { groupRules } from './consumer-rules-groups.ts';
import { readingRules } from './consumer-rules-reading.ts';

const texts = { ...readingRules, ...groupRules };
/** `section-number`. */
export type RuleId = keyof typeof texts;

/** A test that a rule leans on, besides cases or instead of them. */
export interface NamedTest {
  /** From the root of the repository. */
  readonly file: string;
  /** Its title, or how that begins, as it stands in the file. */
  readonly test: string;
}
export interface ConsumerRule {
  readonly id: RuleId;
  readonly section: string;
  readonly text: string;
  readonly checkedBy: readonly NamedTest[];
}

const SECTIONS: Readonly<Record<string, string>> = {
  offsets: 'Three offsets',
  subscribing: 'Subscribing and assigning',
  polling: 'Reading',
  commits: 'Commits',
  seeking: 'Seeking and resetting',
  pausing: 'Pausing',
  groups: 'Groups',
  records: 'Records',
  promise: 'What is promised',
  api: 'What the consumer shows of itself',
};

/** In the order of their sections, then of their numbers. */
export const consumerRules: readonly ConsumerRule[] = Object.entries(SECTIONS).flatMap(([prefix, section]) =>
  Object.entries(texts).flatMap(([key, text]): ConsumerRule[] => {
    if (!isRuleId(key) || !key.startsWith(`${prefix}-`)) return [];
    return [{ id: key, section, text, checkedBy: checkedElsewhere[key] ?? [] }];
  }),
);
function isRuleId(key: string): key is RuleId {
  return key in texts;
}
