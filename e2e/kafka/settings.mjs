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

export const SCRAM = ['SCRAM-SHA-256', 'SCRAM-SHA-512'];

/**
 * For the listener CLIENT: who logs in how, and that nobody else's listener asks. What is allowed there, ACLs say.
 * @param {Record<string, string> | undefined} users passwords by name
 * @param {{ key: string, cert: string } | undefined} tls PEM
 * @returns {Record<string, string | boolean>}
 */
export function securitySettings(users, tls) {
  const logins = Object.entries(users ?? {}).map(([name, password]) => `user_${name}="${password}"`);
  const own = 'listener.name.client';
  return {
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:ANONYMOUS',
    ...(users && {
      [`${own}.sasl.enabled.mechanisms`]: ['PLAIN', ...SCRAM].join(','),
      [`${own}.plain.sasl.jaas.config`]: `org.apache.kafka.common.security.plain.PlainLoginModule required ${logins.join(' ')};`,
      ...Object.fromEntries(
        SCRAM.map((mechanism) => [
          `${own}.${mechanism.toLowerCase()}.sasl.jaas.config`,
          'org.apache.kafka.common.security.scram.ScramLoginModule required;',
        ]),
      ),
    }),
    ...(tls && {
      [`${own}.ssl.keystore.type`]: 'PEM',
      [`${own}.ssl.keystore.key`]: tls.key,
      [`${own}.ssl.keystore.certificate.chain`]: tls.cert,
    }),
  };
}

/** @param {Record<string, string | number | boolean>} settings */
export const propertiesFile = (settings) =>
  Object.entries(settings)
    .map(([name, value]) => `${name}=${String(value).replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n`)
    .join('');
