// A process that appends as fast as it can until it is killed: half of the test beside it (kill.test.ts), bundled and started there.
import { encodeBatch } from 'distributedlog/protocol';
import { embeddedLog } from './index.ts';
import { type Command, recordsOfBatch, sequenceOfBatch } from './killed-workload.mts';

const PIPELINED = 5;

function isCommand(message: unknown): message is Command {
  return typeof message === 'object' && message !== null && 'dir' in message && 'producers' in message;
}

process.once('message', (message) => {
  if (!isCommand(message)) throw new Error('not a command');
  run(message).catch((error: unknown) => {
    process.send?.({ type: 'failed', message: String(error) });
  });
});
process.send?.({ type: 'started' });

async function run({ dir, topic, partitions, producers }: Command): Promise<void> {
  const log = await embeddedLog({ dir });
  const [found] = await log.topics([topic]);
  const { topicId } = found ?? (await log.createTopic({ name: topic, partitions }));
  await Promise.all(
    producers.map(async (from, index) => {
      const producerId = from.producerId ?? (await log.initProducer()).producerId;
      process.send?.({ type: 'producer', index, producerId });
      let failed = false;
      const inFlight = new Set<Promise<void>>();
      for (let number = from.next; !failed; number++) {
        const batch = encodeBatch(recordsOfBatch(index, number), {
          producerId,
          producerEpoch: 0,
          baseSequence: sequenceOfBatch(number),
        });
        const sent: Promise<void> = log.append({ topicId, partition: index % partitions }, batch).then(
          ({ baseOffset }) => {
            inFlight.delete(sent);
            process.send?.({ type: 'acknowledged', index, number, baseOffset });
          },
          (error: unknown) => {
            failed = true;
            process.send?.({ type: 'failed', message: String(error) });
          },
        );
        inFlight.add(sent);
        if (inFlight.size >= PIPELINED) await Promise.race(inFlight);
      }
    }),
  );
}
