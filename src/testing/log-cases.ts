// The conformance cases of the Log port, as data: every backend runs them all. Knows nothing of backends or test runners.
import type { LogCase } from './log-case-kit.ts';
import { durabilityCases } from './log-cases-durability.ts';
import { groupCases } from './log-cases-groups.ts';
import { producerCases } from './log-cases-producers.ts';
import { readCases } from './log-cases-reads.ts';
import { timeCases } from './log-cases-time.ts';
import { topicCases } from './log-cases-topics.ts';

export type { LogCase, LogHarness } from './log-case-kit.ts';

export const logCases: readonly LogCase[] = [
  ...topicCases,
  ...readCases,
  ...producerCases,
  ...timeCases,
  ...groupCases,
  ...durabilityCases,
];
