// One member of the group under test, the same in a tab and in Node: it reads, and tells the judge before and after each record. Knows nothing of the scenario.
import { Consumer, type ConsumerRecord, LogError, text } from 'distributedlog';
import WebSocket from 'isomorphic-ws';
import type { Told } from './journal.ts';

export type Surface = 'iterator' | 'forEach' | 'poll' | 'stream';
export interface MemberSettings {
  readonly name: string;
  readonly judge: string;
  readonly bootstrap: string;
  readonly topic: string;
  readonly group: string;
  readonly surface: Surface;
  /** Work on one record takes up to this long. */
  readonly workMs: number;
  readonly sessionTimeoutMs: number;
}
export interface RunningMember {
  /** As an application that ends: finishes the record in hand, closes. Resolves when the member has left. */
  leave(): Promise<void>;
}
type Untimed<T> = T extends unknown ? Omit<T, 'at'> : never;

/** The line to the judge: in order, one answer for each. */
async function dialJudge(url: string): Promise<(event: Untimed<Told>) => Promise<void>> {
  const socket = new WebSocket(url);
  const answers: (() => void)[] = [];
  socket.onmessage = () => answers.shift()?.();
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  return (event) =>
    new Promise((resolve) => {
      answers.push(resolve);
      socket.send(JSON.stringify({ ...event, at: Date.now() }));
    });
}

export async function runMember(settings: MemberSettings): Promise<RunningMember> {
  const tell = await dialJudge(settings.judge);
  await tell({ type: 'hello', name: settings.name });
  const consumer = new Consumer({
    bootstrapServers: settings.bootstrap,
    clientId: settings.name,
    groupId: settings.group,
    autoOffsetReset: 'earliest',
    autoCommitIntervalMs: 300,
    sessionTimeoutMs: settings.sessionTimeoutMs,
    rebalanceTimeoutMs: 4 * settings.sessionTimeoutMs,
    reconnectBackoffMaxMs: 200,
    value: text(),
  });
  const say = (said: string): void => void tell({ type: 'said', text: said });
  const fail = (error: unknown): void => {
    const { code, message, stack } = LogError.from(error);
    void tell({ type: 'failed', error: `${code}: ${message}\n${stack}` });
  };
  consumer.status$.subscribe((status) => say(status.type));
  consumer.events$.subscribe((event) => {
    if (event.type === 'commit' && event.error === undefined) {
      void tell({ type: 'committed', offsets: event.offsets.map(({ partition, offset }) => [partition, offset]) });
    } else if (event.type === 'commit' || event.type === 'error') {
      say(`${event.type}: ${event.error?.code}: ${event.error?.message}`);
    } else if (event.type === 'gap') {
      fail(new Error(`a gap in p${event.partition}: ${event.from} to ${event.to}`));
    }
  });

  let leaving = false;
  let busy = false;
  const stop = new AbortController();
  const work = async ({ partition, offset, value }: ConsumerRecord<Uint8Array, string>): Promise<void> => {
    busy = true;
    await tell({ type: 'begin', partition, offset, value: value ?? '' });
    await new Promise((resolve) => setTimeout(resolve, Math.random() * settings.workMs));
    await tell({ type: 'end', partition, offset });
    busy = false;
  };
  /** Each record is done with before the next one is asked for. Resolves once there is nothing in hand after `leave`, or the consumer is closed. */
  const surfaces: Record<Surface, () => Promise<void>> = {
    async iterator() {
      for await (const record of consumer) {
        await work(record);
        if (leaving) return;
      }
    },
    async forEach() {
      await consumer.forEach(work, { signal: stop.signal });
    },
    async poll() {
      while (!leaving) for (const record of await consumer.poll({ maxRecords: 1 })) await work(record);
    },
    stream() {
      return new Promise((resolve, reject) => {
        const reading = consumer.stream({ manualAck: true, maxInFlight: 1 }).subscribe({
          next(record) {
            work(record).then(() => {
              consumer.ack(record);
              if (!leaving) return;
              reading.unsubscribe();
              resolve();
            }, reject);
          },
          error: reject,
          complete: resolve,
        });
      });
    },
  };

  const partitions = (of: readonly { readonly partition: number }[]): number[] => of.map(({ partition }) => partition);
  const subscribed = consumer.subscribe(settings.topic, {
    listener: {
      onPartitionsAssigned: (assigned) =>
        tell({
          type: 'assigned',
          memberId: consumer.groupMetadata()?.memberId ?? null,
          partitions: partitions(assigned),
        }),
      onPartitionsRevoked: (revoked) => tell({ type: 'revoked', partitions: partitions(revoked) }),
      onPartitionsLost: (lost) => tell({ type: 'lost', partitions: partitions(lost) }),
    },
  });
  const reading = subscribed
    .then(() => surfaces[settings.surface]())
    .catch((error: unknown) => {
      const { code } = LogError.from(error);
      if (!leaving || (code !== 'ABORTED' && code !== 'CLOSED')) fail(error);
    });
  return {
    async leave() {
      leaving = true;
      stop.abort();
      if (busy) await reading;
      try {
        await consumer.close();
      } catch (error) {
        fail(error);
      }
      await tell({ type: 'said', text: 'closed' });
    },
  };
}
