// `node scripts/kafka.mjs`: a real Kafka for development, in the foreground; Ctrl-C stops it, and its data is gone.
import { parseArgs } from 'node:util';
import { findBroker } from '../e2e/kafka/broker.mjs';
import { startCluster } from '../e2e/kafka/cluster.mjs';
import { KafkaUnavailable } from '../e2e/kafka/java.mjs';
import { checkNode, done, fail, say, seconds } from './lib/steps.mjs';

const HELP = `node scripts/kafka.mjs [options]

Runs Kafka with the settings that tests use, in Docker or by Java, until Ctrl-C; its data does not outlive it.
Prints the line that lets tests and the gateway find it.

  --brokers N    1 (default) or 3; three are always by Java
  --help         this text`;

function options() {
  try {
    return parseArgs({
      options: { brokers: { type: 'string', default: '1' }, help: { type: 'boolean', default: false } },
    }).values;
  } catch (error) {
    return fail(error.message, 'node scripts/kafka.mjs --help lists the options');
  }
}

const { brokers, help } = options();
if (help) {
  console.log(HELP);
  process.exit(0);
}
if (!['1', '3'].includes(brokers)) fail(`--brokers ${brokers}`, 'choose 1 or 3');
checkNode();
try {
  const started = performance.now();
  // Another one than that of KAFKA_BROKERS.
  delete process.env.KAFKA_BROKERS;
  const kafka = brokers === '1' ? await findBroker({ say }) : await startCluster({ brokers: 3, say });
  done(`Kafka answers after ${seconds(started)}   (Ctrl-C stops)`);
  console.log(`export KAFKA_BROKERS=${kafka.bootstrap}`);
  const stop = () => {
    say('Stopping…');
    // A second signal ends us at once; what we leave then is ended for us.
    void kafka.close().then(() => process.exit(0));
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop);
  setInterval(() => undefined, 60_000);
} catch (error) {
  if (!(error instanceof KafkaUnavailable)) throw error;
  fail('There is no Kafka to be had', error.message);
}
