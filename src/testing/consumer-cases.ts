// The conformance cases of the consumer, as data: every way to reach a gateway runs them all. Knows nothing of gateways or test runners.
import type { ConsumerCase } from './consumer-case-kit.ts';
import { lifeCases } from './consumer-cases-life.ts';
import { pollingCases } from './consumer-cases-polling.ts';
import { positionCases } from './consumer-cases-positions.ts';
import { readerCases } from './consumer-cases-readers.ts';
import { subscribingCases } from './consumer-cases-subscribing.ts';

export type { ConsumerCase, ConsumerHarness } from './consumer-case-kit.ts';

export const consumerCases: readonly ConsumerCase[] = [
  ...subscribingCases,
  ...pollingCases,
  ...readerCases,
  ...positionCases,
  ...lifeCases,
];
