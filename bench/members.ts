// Members of a group, many in one process, for rebalance.ts: joins and leaves as it is told, and tells when each partition begins to deliver.
import { Consumer } from 'distributedlog';

export type Order =
  | { readonly type: 'join' | 'leave'; readonly member: string }
  /** Answered by `pauses`, which begin anew. */
  | { readonly type: 'pauses' };
export type News =
  | { readonly type: 'joined' | 'left'; readonly member: string /** When it was asked for. */; readonly from: number }
  /** The first record since the partition was assigned. */
  | { readonly type: 'delivers'; readonly member: string; readonly partition: number; readonly at: number }
  /** By partition: the longest time without a record while one member had it, ms. */
  | { readonly type: 'pauses'; readonly pauses: readonly (readonly [partition: number, ms: number])[] };

/** Comparable between the processes of one machine, ms. */
const now = (): number => performance.timeOrigin + performance.now();

function serve(bootstrapServers: string, groupId: string, topic: string, sessionTimeoutMs: number): void {
  const consumers = new Map<string, Consumer>();
  const tell = (news: News): void => {
    process.send?.(news);
  };
  const lastAt = new Map<number, number>();
  const pauses = new Map<number, number>();

  async function join(member: string): Promise<void> {
    const consumer = new Consumer({ bootstrapServers, groupId, sessionTimeoutMs, clientId: member });
    consumers.set(member, consumer);
    const from = now();
    await consumer.subscribe(topic, {
      listener: {
        onPartitionsAssigned: (partitions) => {
          for (const { partition } of partitions) lastAt.delete(partition);
        },
      },
    });
    tell({ type: 'joined', member, from });
    while (consumers.get(member) === consumer) {
      for (const { partition } of await consumer.poll({ timeoutMs: 100 })) {
        const at = now();
        const before = lastAt.get(partition);
        lastAt.set(partition, at);
        if (before === undefined) tell({ type: 'delivers', member, partition, at });
        else pauses.set(partition, Math.max(pauses.get(partition) ?? 0, at - before));
      }
    }
    const leftFrom = now();
    await consumer.close();
    tell({ type: 'left', member, from: leftFrom });
  }

  process.on('message', (order: Order) => {
    if (order.type === 'join') {
      join(order.member).catch((error: unknown) => {
        console.error(error);
        process.exit(1);
      });
    } else if (order.type === 'leave') consumers.delete(order.member);
    else {
      tell({ type: 'pauses', pauses: [...pauses] });
      pauses.clear();
    }
  });
  process.on('disconnect', () => process.exit(0));
}

const [url, groupId, topic, sessionTimeoutMs] = process.argv.slice(2);
if (!url || !groupId || !topic) throw new Error('usage: members.js URL GROUP TOPIC SESSION_TIMEOUT_MS');
serve(url, groupId, topic, Number(sessionTimeoutMs));
