// A real Kafka cluster for tests: one or three brokers (KRaft), each a Java process with a data directory and ports of its
// own, which tests may kill, stop and start again. Plain JavaScript, so that scripts, vitest, Playwright and benchmarks all
// import it as it is. Knows nothing of gateways.
//
//   const cluster = await startCluster({ brokers: 3, properties: { 'min.insync.replicas': 2 } });
//   cluster.bootstrap                        // '127.0.0.1:20011,127.0.0.1:20013,…'
//   await cluster.kill(0)                    // SIGKILL; an index is the broker's node id
//   await cluster.stop(1)                    // SIGTERM: it hands its leaderships over first
//   await cluster.start(0)                   // same ports, same data; resolves when it answers and is part of the cluster
//   await cluster.leaders('orders')          // [0, 2, 1, …]: node id of each partition's leader, -1 where there is none
//   await cluster.whenInSync()               // every replica of every partition is in sync, everywhere
//   cluster.brokers[0]                       // { id, host, port, pid, running, log }
//   await cluster.tool('org.apache.kafka.tools.TopicCommand', ['--bootstrap-server', cluster.bootstrap, '--list'])
//   await cluster.close()                    // kills what runs, removes the data
//
// With `users` or `tls` there is a second listener, `secureBootstrap`, where nobody may do anything that an ACL does not allow
// (`tool('org.apache.kafka.tools.AclCommand' …)` against `bootstrap`, where everybody may do everything).
// `tool` runs any main class of Kafka's jars, or a Java source of this directory ('Records.java'), and resolves with
// { code, stdout: Buffer, stderr }; `tool(main, args, { input, timeoutMs, mayFail })`. Without a cluster of one's own
// (KAFKA_BROKERS): `kafkaTools()` of java.mjs. Rejects with KafkaUnavailable where there is no Java 17 or no Maven.
// Whatever happens to this process, also kill -9: no Java process and no directory stays behind.
import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { kafkaJava, QUICK_JVM, sayOnStderr } from './java.mjs';
import { metadataOf } from './metadata.mjs';
import { Owned } from './owned.mjs';
import { propertiesFile, SCRAM, securitySettings, testSettings } from './settings.mjs';

const HOST = '127.0.0.1';
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
const IN_SYNC_TIMEOUT_MS = 60_000;
const SLOW_MS = 10_000;
const POLL_MS = 50;
/** A port that was free may be taken before the broker binds it. */
const ATTEMPTS = 3;
/** Below what a kernel gives to outgoing connections: nobody takes the port of a broker that is down. */
const PORTS = { first: 20_000, count: 8_000 };

/**
 * @typedef {object} ClusterOptions
 * @property {1 | 3 | undefined} [brokers] default 1
 * @property {Record<string, string | number | boolean> | undefined} [properties] broker settings, before those of settings.mjs
 * @property {Record<string, string> | undefined} [users] passwords by name, for SASL PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512
 * @property {{ key: string, cert: string } | undefined} [tls] PEM; the key as PKCS #8
 * @property {readonly string[] | undefined} [jvm] options of the Java VM; default: small and quick to start
 * @property {((line: string) => void) | undefined} [say] hears of slow steps; default: standard error
 *
 * @typedef {object} Broker
 * @property {number} id its node id, and its index
 * @property {string} host
 * @property {number} port
 * @property {number | undefined} pid while it runs
 * @property {boolean} running
 * @property {string} log the file it logs to
 *
 * @typedef {Awaited<ReturnType<typeof startCluster>>} Cluster
 */

/** @param {number} port @returns {Promise<boolean>} */
const isFree = (port) =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, HOST, () => server.close(() => resolve(true)));
  });

/** Ports that nobody listens on now. @param {number} count @returns {Promise<number[]>} */
export async function freePorts(count) {
  /** @type {Set<number>} */
  const ports = new Set();
  for (let at = Math.floor(Math.random() * PORTS.count); ports.size < count; at = (at + 1) % PORTS.count) {
    if (await isFree(PORTS.first + at)) ports.add(PORTS.first + at);
  }
  return [...ports];
}

/** One broker's process. @implements {Broker} */
class BrokerProcess {
  host = HOST;
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child;
  #kafka;
  #jvm;
  #dir;

  /**
   * @param {{ id: number, port: number, dir: string, kafka: import('./java.mjs').KafkaJava, jvm: readonly string[] }} parts
   */
  constructor({ id, port, dir, kafka, jvm }) {
    this.id = id;
    this.port = port;
    this.log = join(dir, `broker-${id}.log`);
    this.#dir = dir;
    this.#kafka = kafka;
    this.#jvm = jvm;
  }

  get #settings() {
    return join(this.#dir, `broker-${this.id}.properties`);
  }
  get #output() {
    return join(this.#dir, `broker-${this.id}.out`);
  }
  get pid() {
    return this.running ? this.#child?.pid : undefined;
  }
  get running() {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** @param {string} clusterId @param {Record<string, string | number | boolean>} settings @param {Record<string, string>} users */
  async format(clusterId, settings, users) {
    const own = { 'node.id': this.id, 'log.dirs': join(this.#dir, `data-${this.id}`) };
    writeFileSync(this.#settings, propertiesFile({ ...settings, ...own }));
    const scram = Object.entries(users).flatMap(([name, password]) =>
      SCRAM.flatMap((mechanism) => ['--add-scram', `${mechanism}=[name=${name},password=${password}]`]),
    );
    await this.#kafka.run('kafka.tools.StorageTool', ['format', '-t', clusterId, '-c', this.#settings, ...scram]);
  }

  /** Returns at once: it is ready later. */
  spawn() {
    if (this.running) throw new Error(`broker ${this.id} runs already`);
    const output = openSync(this.#output, 'a');
    this.#child = this.#kafka.spawn('kafka.Kafka', [this.#settings], {
      jvm: this.#jvm,
      log: this.log,
      stdio: ['ignore', output, output],
    });
    this.#child.unref();
    closeSync(output);
  }

  /** @param {NodeJS.Signals} signal @param {number} timeoutMs then it is killed */
  async end(signal, timeoutMs) {
    const child = this.#child;
    if (!child || !this.running) return;
    child.ref();
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    await exited;
    clearTimeout(timer);
  }

  /** The end of what it wrote, for an error. */
  lastWords() {
    const text = [this.#output, this.log].map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : '')).join('');
    return text.trim().slice(-4_000);
  }
}

class BrokerDied extends Error {}

/** @param {ClusterOptions} options */
export async function startCluster(options = {}) {
  const { brokers: count = 1, properties = {}, users, tls, say = sayOnStderr } = options;
  const { jvm = ['-Xms128m', '-Xmx512m', ...QUICK_JVM] } = options;
  const secure = users !== undefined || tls !== undefined;
  const owned = new Owned();
  const started = performance.now();
  /** @type {BrokerProcess[]} */
  let brokers = [];
  let secureBootstrap = '';

  /** Resolves when `done` does. Fails when one of these brokers exits, or takes too long. */
  async function until(
    /** @type {readonly BrokerProcess[]} */ those,
    /** @type {string} */ what,
    /** @type {number} */ timeoutMs,
    /** @type {() => Promise<boolean>} */ done,
  ) {
    const from = performance.now();
    let saidMs = SLOW_MS;
    while (!(await done().catch(() => false))) {
      const dead = those.find(({ running }) => !running);
      if (dead) throw new BrokerDied(`broker ${dead.id} exited while ${what}:\n${dead.lastWords()}`);
      const waitedMs = performance.now() - from;
      if (waitedMs > timeoutMs) {
        throw new Error(
          `still ${what} after ${timeoutMs / 1000} s:\n${those.map((one) => one.lastWords()).join('\n')}`,
        );
      }
      if (waitedMs > saidMs) {
        say(`Kafka: still ${what} after ${Math.round(waitedMs / 1000)} s`);
        saidMs += SLOW_MS;
      }
      await sleep(POLL_MS);
    }
  }

  /** @param {readonly BrokerProcess[]} those */
  const whenReady = (those) =>
    until(those, 'starting', START_TIMEOUT_MS, async () => {
      const views = await Promise.all(those.map(({ port }) => metadataOf(HOST, port)));
      return views.every((view) => {
        const known = new Set(view.brokers.map(({ id }) => id));
        return view.controller >= 0 && those.every(({ id }) => known.has(id));
      });
    });

  async function launch() {
    const kafka = await kafkaJava({ say, owned });
    const dir = mkdtempSync(join(tmpdir(), 'dlog-kafka-'));
    owned.add({ dir });
    const ports = await freePorts(3 * count);
    const controllers = ports.slice(count, 2 * count);
    const securePorts = ports.slice(2 * count);
    secureBootstrap = securePorts.map((port) => `${HOST}:${port}`).join(',');
    const protocol = users ? (tls ? 'SASL_SSL' : 'SASL_PLAINTEXT') : 'SSL';
    const settings = (/** @type {number} */ id) => ({
      ...testSettings(count),
      ...properties,
      'process.roles': 'broker,controller',
      'controller.quorum.voters': controllers.map((port, voter) => `${voter}@${HOST}:${port}`).join(','),
      'controller.listener.names': 'CONTROLLER',
      'listener.security.protocol.map': `PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT${secure ? `,CLIENT:${protocol}` : ''}`,
      listeners: [
        `PLAINTEXT://${HOST}:${ports[id]}`,
        `CONTROLLER://${HOST}:${controllers[id]}`,
        ...(secure ? [`CLIENT://${HOST}:${securePorts[id]}`] : []),
      ].join(','),
      ...(secure ? securitySettings(users, tls) : {}),
    });
    const clusterId = Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url');
    brokers = Array.from({ length: count }, (_, id) => {
      return new BrokerProcess({ id, port: ports[id] ?? 0, dir, kafka, jvm });
    });
    await Promise.all(brokers.map((broker) => broker.format(clusterId, settings(broker.id), users ?? {})));
    for (const broker of brokers) broker.spawn();
    await whenReady(brokers);
    return kafka;
  }

  /** @type {import('./java.mjs').KafkaJava} */
  let kafka;
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        kafka = await launch();
        break;
      } catch (error) {
        await Promise.all(brokers.map((broker) => broker.end('SIGKILL', 0)));
        const taken = error instanceof BrokerDied && /Address already in use/.test(error.message);
        if (!taken || attempt === ATTEMPTS) throw error;
        say('Kafka: a port was taken meanwhile; again, with others');
      }
    }
  } catch (error) {
    await owned.close();
    throw error;
  }

  const broker = (/** @type {number} */ index) => {
    const found = brokers[index];
    if (!found) throw new Error(`there is no broker ${index}: the cluster has ${count}`);
    return found;
  };
  const running = () => brokers.filter((one) => one.running);

  return {
    /** `host:port` of every broker, separated by commas; the same all its life. */
    bootstrap: brokers.map(({ host, port }) => `${host}:${port}`).join(','),
    /** The same brokers where `users` and `tls` apply; empty without either. */
    secureBootstrap: secure ? secureBootstrap : '',
    /** @type {readonly Broker[]} */
    brokers,
    /** How long it took until every broker answered. */
    startMs: Math.round(performance.now() - started),

    /** SIGKILL; resolves when it is gone. @param {number} index */
    kill: (index) => broker(index).end('SIGKILL', 0),
    /** SIGTERM; resolves when it is gone. @param {number} index */
    stop: (index) => broker(index).end('SIGTERM', STOP_TIMEOUT_MS),
    /** Resolves when it answers and the running brokers know each other. Its replicas may still be behind. @param {number} index */
    async start(index) {
      broker(index).spawn();
      await whenReady(running());
    },

    /** What a running broker knows of the cluster. @returns {Promise<import('./metadata.mjs').Metadata>} */
    metadata() {
      const [one] = running();
      return one ? metadataOf(HOST, one.port) : Promise.reject(new Error('no broker runs'));
    },
    /** The leader of each partition, by partition. @param {string} topic @returns {Promise<number[]>} */
    async leaders(topic) {
      const { topics } = await this.metadata();
      const partitions = topics.find(({ name }) => name === topic)?.partitions;
      if (!partitions) throw new Error(`there is no topic ${topic}`);
      return partitions.toSorted((a, b) => a.partition - b.partition).map(({ leader }) => leader);
    },
    /** Resolves when every running broker says that all replicas of all partitions are in sync, internal topics too. */
    whenInSync: () =>
      until(running(), 'bringing replicas in sync', IN_SYNC_TIMEOUT_MS, async () => {
        const views = await Promise.all(running().map(({ port }) => metadataOf(HOST, port)));
        return views.every(({ topics }) =>
          topics.every(({ partitions }) =>
            partitions.every(({ leader, replicas, isr }) => leader >= 0 && isr.length === replicas.length),
          ),
        );
      }),

    /** @type {import('./java.mjs').KafkaJava['run']} */
    tool: (main, args, runOptions) => kafka.run(main, args, runOptions),
    /** @type {import('./java.mjs').KafkaJava['spawn']} */
    spawnTool: (main, args, spawnOptions) => kafka.spawn(main, args, spawnOptions),

    /** Kills all brokers and tools, and removes the data. */
    async close() {
      await Promise.all(brokers.map((one) => one.end('SIGKILL', 0)));
      await owned.close();
    },
  };
}
