// Over which connection to a coordinator something is said. Knows nothing of what that is.

/**
 * A broker answers what comes over one connection one after the other, and takes some milliseconds for what it has to write
 * first: over one connection a gateway's members could make little more than a hundred commits a second.
 */
const LANES = 8;

/** What is said of one member goes over one connection, in its order: its commits before the heartbeat that gives partitions up. */
export function laneOf(instanceId: string): string {
  let hash = 0;
  for (let i = 0; i < instanceId.length; i++) hash = (Math.imul(hash, 31) + instanceId.charCodeAt(i)) >>> 0;
  return `group-${hash % LANES}`;
}
