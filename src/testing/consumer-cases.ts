// The conformance cases of the consumer, as data: every way to reach a gateway runs them all. Knows nothing of gateways or test runners.
import type { ConsumerCase } from './consumer-case-kit.ts';
import { assigningCases } from './consumer-cases-assigning.ts';
import { chaosCases } from './consumer-cases-chaos.ts';
import { closingCases } from './consumer-cases-closing.ts';
import { commitCases } from './consumer-cases-commits.ts';
import { groupCases } from './consumer-cases-groups.ts';
import { lateCases } from './consumer-cases-late.ts';
import { lifeCases } from './consumer-cases-life.ts';
import { observingCases } from './consumer-cases-observing.ts';
import { pausingCases } from './consumer-cases-pausing.ts';
import { pollingCases } from './consumer-cases-polling.ts';
import { positionCases } from './consumer-cases-positions.ts';
import { readerCases } from './consumer-cases-readers.ts';
import { recordCases } from './consumer-cases-records.ts';
import { revocationCases } from './consumer-cases-revocation.ts';
import { sessionCases } from './consumer-cases-sessions.ts';
import { subscribingCases } from './consumer-cases-subscribing.ts';

export type { ConsumerCase, ConsumerHarness } from './consumer-case-kit.ts';

export const consumerCases: readonly ConsumerCase[] = [
  ...subscribingCases,
  ...assigningCases,
  ...pollingCases,
  ...pausingCases,
  ...recordCases,
  ...readerCases,
  ...lateCases,
  ...positionCases,
  ...commitCases,
  ...observingCases,
  ...groupCases,
  ...revocationCases,
  ...sessionCases,
  ...closingCases,
  ...lifeCases,
  ...chaosCases,
];
