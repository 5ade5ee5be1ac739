// Members that speak Kafka's classic group protocol: the one way in. Knows nothing of the other protocol.
import type { DriverFactory } from '../member-driver.ts';
import { ClassicMember } from './member.ts';
import { classicCoordinator } from './requests.ts';

export const classicDriver: DriverFactory = ({ cluster, clock, random }, request, listener) => {
  const coordinator = classicCoordinator(cluster, request.groupId, request.memberId);
  return new ClassicMember({ coordinator, topics: cluster, clock, random, request, listener });
};
