// Finds Java, has Maven fetch Kafka's jars once, and runs what is in them: brokers, command-line tools, programs of one source file.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Owned } from './owned.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const POM = join(here, 'pom.xml');
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/distributedlog/kafka-jars', import.meta.url));
const OLDEST_JAVA = 17;
const MAVEN_TIMEOUT_MS = 300_000;
const TOOL_TIMEOUT_MS = 60_000;
/** Starts fast and stays small: these processes live for seconds. */
export const QUICK_JVM = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto'];

/** There can be no Kafka on this machine; the message says why. */
export class KafkaUnavailable extends Error {}

/** What a line of progress goes to, where nobody says otherwise: standard error. @param {string} line */
export const sayOnStderr = (line) => console.error(`▸ ${line}`);

/** The path of a Java that is new enough and has a compiler, for the programs of this directory. */
export function findJava() {
  const java = process.env.JAVA_HOME ? join(process.env.JAVA_HOME, 'bin', 'java') : 'java';
  const { error, stdout, stderr } = spawnSync(java, ['-version'], { encoding: 'utf8' });
  if (error) throw new KafkaUnavailable(`there is no Java (${OLDEST_JAVA} or newer)`);
  const major = Number(/version "(?:1\.)?(\d+)/.exec(`${stdout}${stderr}`)?.[1]);
  if (!(major >= OLDEST_JAVA)) throw new KafkaUnavailable(`Java here is ${major}, and Kafka needs ${OLDEST_JAVA}`);
  const modules = spawnSync(java, ['--list-modules'], { encoding: 'utf8' }).stdout;
  if (!modules.includes('jdk.compiler')) throw new KafkaUnavailable('the Java here has no compiler: it is no JDK');
  return java;
}

/**
 * The directory of the jars that pom.xml names, fetched by Maven if they are not there yet.
 * @param {(line: string) => void} say
 * @returns {Promise<string>}
 */
async function ensureJars(say) {
  const jars = join(CACHE, createHash('sha256').update(readFileSync(POM)).digest('hex').slice(0, 16));
  if (existsSync(jars)) return jars;
  const started = performance.now();
  say('Fetching Kafka’s jars (mvn dependency:copy-dependencies)…');
  mkdirSync(CACHE, { recursive: true });
  // Two at once: each fetches into its own directory, and the first to be done is the one that counts.
  const fetched = `${jars}.${process.pid}`;
  try {
    await new Promise((resolve, reject) => {
      const goals = ['-q', '-B', '-f', POM, 'dependency:copy-dependencies', '-DincludeScope=runtime'];
      const mvn = spawn('mvn', [...goals, `-DoutputDirectory=${fetched}`], {
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: MAVEN_TIMEOUT_MS,
        shell: process.platform === 'win32',
      });
      let output = '';
      for (const stream of [mvn.stdout, mvn.stderr]) {
        stream.on('data', (chunk) => {
          output = (output + chunk).slice(-2_000);
        });
      }
      mvn.on('error', () => reject(new KafkaUnavailable('there is no Maven (mvn) to fetch Kafka’s jars with')));
      mvn.on('close', (code, signal) => {
        if (code === 0) resolve(undefined);
        else reject(new KafkaUnavailable(`Maven could not fetch Kafka’s jars (${signal ?? code}):\n${output.trim()}`));
      });
    });
    if (!existsSync(jars)) renameSync(fetched, jars);
  } finally {
    rmSync(fetched, { recursive: true, force: true });
  }
  say(`Kafka’s jars are there: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return jars;
}

/**
 * @typedef {object} RunOptions
 * @property {string | Uint8Array | undefined} [input] what it reads on standard input; default nothing
 * @property {number | undefined} [timeoutMs] default 60 s; then it is killed
 * @property {boolean | undefined} [mayFail] resolve also where it ends with another code than 0
 *
 * @typedef {{ code: number | null, stdout: Buffer, stderr: string }} Ran
 */

/** Runs classes of Kafka's jars by their names (`org.apache.kafka.tools.TopicCommand`), and the Java sources of this directory by theirs (`Records.java`). */
export class KafkaJava {
  #java;
  #jars;
  #owned;

  /** @param {string} java @param {string} jars @param {Owned} owned */
  constructor(java, jars, owned) {
    this.#java = java;
    this.#jars = jars;
    this.#owned = owned;
  }

  /**
   * @param {string} main
   * @param {readonly string[]} args
   * @param {import('node:child_process').SpawnOptions & { jvm?: readonly string[], log?: string }} options
   */
  spawn(main, args, { jvm = QUICK_JVM, log, ...options } = {}) {
    const config = `-Dlog4j2.configurationFile=${join(here, `log4j2${log === undefined ? '-tools' : ''}.properties`)}`;
    return this.#owned.spawn(
      this.#java,
      [
        ...jvm,
        config,
        ...(log === undefined ? [] : [`-Ddlog.log=${log}`]),
        '-cp',
        [join(this.#jars, '*')].join(delimiter),
        main.endsWith('.java') ? join(here, main) : main,
        ...args,
      ],
      options,
    );
  }

  /**
   * Runs it to its end.
   * @param {string} main
   * @param {readonly string[]} args
   * @param {RunOptions} options
   * @returns {Promise<Ran>}
   */
  run(main, args, { input, timeoutMs = TOOL_TIMEOUT_MS, mayFail = false } = {}) {
    return new Promise((resolve, reject) => {
      const child = this.spawn(main, args, {
        stdio: ['pipe', 'pipe', 'pipe'],
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
      });
      /** @type {Buffer[]} */
      const out = [];
      let stderr = '';
      child.stdout?.on('data', (chunk) => out.push(chunk));
      child.stderr?.on('data', (chunk) => {
        stderr += chunk;
      });
      // It ended before it read everything: its exit code says whether that is right.
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(input);
      child.on('error', reject);
      child.on('close', (code, signal) => {
        const stdout = Buffer.concat(out);
        if (code === 0 || (mayFail && signal === null)) return resolve({ code, stdout, stderr });
        const why = signal === null ? `exited with ${code}` : `was killed by ${signal} (after ${timeoutMs} ms?)`;
        reject(
          new Error(`${main} ${args.join(' ')} ${why}:\n${stdout.toString().slice(-2_000)}${stderr.slice(-4_000)}`),
        );
      });
    });
  }
}

/**
 * Kafka's own tools without a cluster of ours, against whatever cluster. Rejects with KafkaUnavailable.
 * @param {{ say?: (line: string) => void }} options
 */
export async function kafkaTools({ say = sayOnStderr } = {}) {
  const java = findJava();
  const jars = await ensureJars(say);
  const owned = new Owned();
  const kafka = new KafkaJava(java, jars, owned);
  return {
    /** @type {KafkaJava['run']} */
    tool: (main, args, options) => kafka.run(main, args, options),
    /** @type {KafkaJava['spawn']} */
    spawnTool: (main, args, options) => kafka.spawn(main, args, options),
    /** Ends what still runs. */
    close: () => owned.close(),
  };
}

/** For clusters, which own more than processes. @param {{ say: (line: string) => void, owned: Owned }} options */
export async function kafkaJava({ say, owned }) {
  const java = findJava();
  return new KafkaJava(java, await ensureJars(say), owned);
}
