// What tests against a real Kafka need: a broker, and the tools of others that check us. Installs what is missing where it may.
import { spawnSync } from 'node:child_process';
import { findBroker } from '../../e2e/kafka/broker.mjs';
import { findJava, KafkaUnavailable } from '../../e2e/kafka/java.mjs';
import { installPackages, packageManager } from './packages.mjs';
import { done, StepError, say, seconds } from './steps.mjs';

/** With REQUIRE_KAFKA=1 what is missing is a failure; else it is said, and what needs it is skipped. */
export const kafkaRequired = () => process.env.REQUIRE_KAFKA === '1';

const works = (command, args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;
const javaIsThere = () => {
  try {
    findJava();
    return works('mvn', ['--version']);
  } catch (error) {
    if (error instanceof KafkaUnavailable) return false;
    throw error;
  }
};

/** Debian's packages, as root; resolves with whether they are there now. */
async function installed(packages, isThere) {
  if (isThere()) return true;
  if (packageManager() !== 'apt' || process.getuid?.() !== 0) return false;
  say(`Installing ${packages.join(' and ')} (apt)…`);
  try {
    await installPackages('apt', packages);
  } catch (error) {
    if (!(error instanceof StepError) || error.message === 'interrupted') throw error;
    say(error.message);
  }
  return isThere();
}

/** A broker that answers, or undefined, said in one line, or StepError where it is required. */
export async function ensureBroker() {
  const started = performance.now();
  if (kafkaRequired()) await installed(['default-jdk-headless', 'maven'], javaIsThere);
  try {
    const broker = await findBroker({ say });
    done(`Kafka at ${broker.bootstrap} (by ${broker.by}): ${seconds(started)}`);
    return broker;
  } catch (error) {
    if (!(error instanceof KafkaUnavailable)) throw new StepError(error.message);
    if (kafkaRequired()) throw new StepError(`REQUIRE_KAFKA=1 and there is no Kafka: ${error.message}`);
    console.error(`⚠ Skipped: every test against a real Kafka: ${error.message}`);
    return undefined;
  }
}

/** What checks us from outside: kcat, and Kafka's own tools. What is missing is said in a line, or is a StepError where it is required. */
export async function ensureTools() {
  const missing = [];
  if (!(await installed(['kcat'], () => works('kcat', ['-V'])))) missing.push('there is no kcat');
  if (!javaIsThere()) missing.push('there is no JDK 17 with Maven, for Kafka’s own tools');
  if (missing.length === 0) return;
  const what = missing.join(', and ');
  if (kafkaRequired()) throw new StepError(`REQUIRE_KAFKA=1 and ${what}`);
  console.error(`⚠ Skipped: tests of interoperability: ${what}`);
}
