// One Kafka broker for whoever needs any: the one that KAFKA_BROKERS names, else apache/kafka in Docker, else Java. Knows
// nothing of what is tested with it; tests that kill brokers start a cluster of their own (cluster.mjs).
import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts, startCluster } from './cluster.mjs';
import { KafkaUnavailable, sayOnStderr } from './java.mjs';
import { metadataOf } from './metadata.mjs';
import { Owned } from './owned.mjs';
import { testSettings } from './settings.mjs';

const IMAGE = 'apache/kafka:4.1.0';
const DOCKER_ANSWERS_MS = 10_000;
const READY_TIMEOUT_MS = 60_000;
const PULL_TIMEOUT_MS = 300_000;
const POLL_MS = 100;

/** @typedef {{ bootstrap: string, by: string, close(): Promise<void> }} FoundBroker */

const answers = async (/** @type {string} */ bootstrap) => {
  const [first = ''] = bootstrap.split(',');
  const { hostname, port } = new URL(`kafka://${first.trim()}`);
  return (await metadataOf(hostname, Number(port || 9092))).controller >= 0;
};

/** As the image reads a setting from its environment. @param {string} name */
const variableOf = (name) =>
  `KAFKA_${name.replaceAll('_', '__').replaceAll('-', '___').replaceAll('.', '_').toUpperCase()}`;

/** @param {(line: string) => void} say @returns {Promise<FoundBroker>} */
async function inDocker(say) {
  const [port = 0] = await freePorts(1);
  const settings = {
    ...testSettings(1),
    'node.id': 0,
    'process.roles': 'broker,controller',
    'controller.quorum.voters': '0@localhost:9093',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    listeners: `PLAINTEXT://:${port},CONTROLLER://localhost:9093`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'log.dirs': '/tmp/kafka-data',
  };
  const container = `dlog-kafka-${randomUUID()}`;
  const variables = Object.entries(settings).flatMap(([name, value]) => ['--env', `${variableOf(name)}=${value}`]);
  const owned = new Owned();
  owned.add({ container });
  say(`Starting ${IMAGE} in Docker…`);
  try {
    await new Promise((resolve, reject) => {
      const options = ['run', '--detach', '--rm', '--name', container, '--publish', `127.0.0.1:${port}:${port}`];
      const docker = spawn('docker', [...options, ...variables, IMAGE], {
        stdio: ['ignore', 'ignore', 'pipe'],
        timeout: PULL_TIMEOUT_MS,
      });
      let stderr = '';
      docker.stderr.on('data', (chunk) => {
        stderr = (stderr + chunk).slice(-1_000);
      });
      docker.on('error', reject);
      docker.on('close', (code) => (code === 0 ? resolve(undefined) : reject(new KafkaUnavailable(stderr.trim()))));
    });
    const bootstrap = `127.0.0.1:${port}`;
    for (const started = performance.now(); !(await answers(bootstrap).catch(() => false)); await sleep(POLL_MS)) {
      if (performance.now() - started < READY_TIMEOUT_MS) continue;
      const { stdout, stderr } = spawnSync('docker', ['logs', '--tail', '20', container], { encoding: 'utf8' });
      throw new KafkaUnavailable(`${IMAGE} does not answer after ${READY_TIMEOUT_MS / 1000} s:\n${stdout}${stderr}`);
    }
    return { bootstrap, by: `Docker (${IMAGE})`, close: () => owned.close() };
  } catch (error) {
    await owned.close();
    throw error;
  }
}

/**
 * Rejects with KafkaUnavailable, which says why, when there is no way to get one. A `KAFKA_BROKERS` that does not answer is an error of its own.
 * @param {{ say?: ((line: string) => void) | undefined }} options
 * @returns {Promise<FoundBroker>}
 */
export async function findBroker({ say = sayOnStderr } = {}) {
  const given = process.env.KAFKA_BROKERS;
  if (given) {
    if (!(await answers(given).catch(() => false))) throw new Error(`KAFKA_BROKERS=${given}: nobody answers there`);
    return { bootstrap: given, by: 'KAFKA_BROKERS', close: () => Promise.resolve() };
  }
  let docker = 'no Docker engine answers';
  if (spawnSync('docker', ['info'], { stdio: 'ignore', timeout: DOCKER_ANSWERS_MS }).status === 0) {
    try {
      return await inDocker(say);
    } catch (error) {
      if (!(error instanceof KafkaUnavailable)) throw error;
      docker = `Docker has no ${IMAGE}: ${error.message}`;
      say(`${docker}; trying Java`);
    }
  }
  try {
    const { bootstrap, close } = await startCluster({ say });
    return { bootstrap, by: 'Java', close };
  } catch (error) {
    if (!(error instanceof KafkaUnavailable)) throw error;
    throw new KafkaUnavailable(`KAFKA_BROKERS is not set, ${docker}, and ${error.message}`);
  }
}
