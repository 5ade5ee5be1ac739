// What the benchmarks on Kafka run against: a broker, and a gateway before it, each a process of its own. Knows nothing of what is measured.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Broker {
  /** `host:port` of each, with commas. */
  readonly bootstrap: string;
  close(): Promise<void>;
}

/** Those of KAFKA_BROKERS, which stay; else one that is started, and ends with `close`. */
export async function startBroker(): Promise<Broker> {
  const { KAFKA_BROKERS } = process.env;
  if (KAFKA_BROKERS !== undefined && KAFKA_BROKERS !== '') {
    return { bootstrap: KAFKA_BROKERS, close: () => Promise.resolve() };
  }
  const harness: { startCluster(options: object): Promise<Broker> } = await import(
    new URL('../../e2e/kafka/cluster.mjs', import.meta.url).href
  );
  // Compiled fully: what is measured is not how the broker warms up.
  return harness.startCluster({ jvm: ['-Xms1g', '-Xmx1g', '-XX:+UseG1GC'] });
}

export interface GatewayProcess {
  readonly url: string;
  readonly child: ChildProcess;
}

export async function startGateway(bootstrap: string, ...args: readonly string[]): Promise<GatewayProcess> {
  const dlog = fileURLToPath(new URL('../../gateway/bin/dlog.js', import.meta.url));
  const flags = ['gateway', '--kafka', bootstrap, '--port', '0', '--log-level', 'error', ...args];
  const child = spawn(process.execPath, [dlog, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the gateway ended with ${code}`))),
  ]);
  const url = /ws:\/\/[^\s,]+/.exec(String(line))?.[0];
  if (url === undefined) throw new Error(`no address in ${line}`);
  return { url, child };
}
