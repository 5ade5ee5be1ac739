// A broker's settings for tests: everything that waits by default waits little here. Knows nothing of processes.

/** What every test broker has, whoever runs it. @param {number} brokers how many there are */
export function testSettings(brokers) {
  const inSync = brokers > 1 ? 2 : 1;
  return {
    'auto.create.topics.enable': false,
    'num.partitions': 1,
    'default.replication.factor': brokers,
    'min.insync.replicas': inSync,
    'offsets.topic.num.partitions': 4,
    'offsets.topic.replication.factor': brokers,
    'transaction.state.log.num.partitions': 4,
    'transaction.state.log.replication.factor': brokers,
    'transaction.state.log.min.isr': inSync,
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': 500,
    'share.coordinator.state.topic.num.partitions': 1,
    'share.coordinator.state.topic.replication.factor': brokers,
    'share.coordinator.state.topic.min.isr': inSync,

    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 100,
    'group.consumer.heartbeat.interval.ms': 100,
    'group.consumer.min.heartbeat.interval.ms': 50,
    'group.consumer.min.session.timeout.ms': 100,

    // What the log does with its files, it does at once.
    'log.initial.task.delay.ms': 100,
    'log.retention.check.interval.ms': 200,
    'log.segment.delete.delay.ms': 200,
    'log.cleaner.backoff.ms': 200,
    'log.cleaner.dedupe.buffer.size': 4 * 1024 * 1024,
    'log.cleaner.threads': 1,

    'message.max.bytes': 20 * 1024 * 1024,
    'replica.fetch.max.bytes': 20 * 1024 * 1024,
    'num.network.threads': 2,
    'num.io.threads': 4,

    // How soon a broker that died is no leader any more.
    'broker.heartbeat.interval.ms': 500,
    'broker.session.timeout.ms': 4_000,
  };
}

/** @param {Record<string, string | number | boolean>} settings */
export const propertiesFile = (settings) =>
  Object.entries(settings)
    .map(([name, value]) => `${name}=${String(value).replaceAll('\\', '\\\\')}\n`)
    .join('');
