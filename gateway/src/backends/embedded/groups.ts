// Groups until the coordinator is there.
import { LogError } from 'distributedlog/protocol';
import type { GroupPort, OffsetStore } from 'distributedlog/server';

export function groupsOver(_offsets: OffsetStore): GroupPort {
  const refuse = () => Promise.reject(new LogError('COORDINATOR_NOT_AVAILABLE', 'no coordinator'));
  return { join: refuse, commit: refuse, committed: refuse, list: refuse, describe: refuse };
}
