// `dlog gateway`: a gateway on the embedded log or on Kafka as a process, from its flags to its signals. Knows nothing of other commands.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { LogError } from 'distributedlog/protocol';
import type { Log } from 'distributedlog/server';
import { type Gateway, startGateway } from '../gateway.ts';
import { CONFIG_KEYS, type GatewayConfig, gatewayConfig } from '../gateway-config.ts';
import { KAFKA_VARIABLES } from '../gateway-config-kafka.ts';
import { defaultLogger, LOG_LEVELS } from '../logging.ts';
import type { Logger } from '../options.ts';
import { describeFailure, EXIT, line } from './failure.ts';
import { healthLines } from './health-lines.ts';

/** How often the log is asked whether it can serve. */
const HEALTH_LOOK_MS = 1_000;

interface Flags {
  readonly data?: string;
  readonly kafka?: string;
  readonly kafkaTls?: boolean;
  readonly kafkaCa?: string;
  readonly kafkaCert?: string;
  readonly kafkaKey?: string;
  readonly host?: string;
  readonly port?: number | string;
  readonly config?: string;
  readonly static?: string;
  readonly allowUnauthenticated?: boolean;
  readonly allowedOrigin?: readonly string[];
  readonly allowedHost?: readonly string[];
  readonly trustProxy?: boolean;
  readonly retentionMs?: number | string;
  readonly retentionBytes?: number | string;
  readonly partitions?: number | string;
  readonly logLevel?: string;
  readonly autoCreate?: boolean;
}

const variables = Object.entries(KAFKA_VARIABLES).map(([name, meaning]) => `  ${name.padEnd(26)} ${meaning}`);
const HELP = `
With Kafka, secrets come from the environment (or from "kafka": { … } in the --config file, which takes kafkaLog's options):
${variables.join('\n')}
The gateway is up also while no broker can be reached: /readyz says why, clients wait, and it goes on by itself.

Examples:
  dlog gateway --data ./data --partitions 3
  dlog gateway --kafka kafka-1:9092,kafka-2:9092
  DLOG_KAFKA_SASL_MECHANISM=SCRAM-SHA-512 DLOG_KAFKA_USERNAME=dlog DLOG_KAFKA_PASSWORD=… dlog gateway --kafka kafka:9093 --kafka-tls
  dlog gateway --kafka kafka:9092 --host 0.0.0.0 --allow-unauthenticated --allowed-host logs.example`;

/** Exit codes: 0 after a drain, 2 for wrong settings, 1 for any other failure, 130 when a second signal cuts the drain short. */
export function gatewayCommand(): Command {
  return new Command('gateway')
    .description('serve a log to WebSocket clients')
    .option('--data <dir>', 'directory of the embedded log (default: dlog-data)')
    .option('--kafka <brokers>', 'serve a Kafka cluster instead: host:port of some of its brokers, with commas')
    .option('--kafka-tls', 'TLS to the brokers, trusting whom Node trusts')
    .option('--kafka-ca <file>', 'TLS to the brokers, trusting these certificates (PEM)')
    .option('--kafka-cert <file>', "TLS with this client's certificate (PEM), where brokers ask for one")
    .option('--kafka-key <file>', 'its private key (PEM)')
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option('--port <number>', 'port to listen on, 0 for any (default: 9192)', wholeNumber)
    .option('--config <file>', `JSON file; flags win over it. Keys: ${CONFIG_KEYS.join(', ')}`)
    .option('--static <dir>', 'directory with an index.html to serve over HTTP')
    .option('--allow-unauthenticated', 'serve everyone who can reach an address that is not loopback')
    .option('--allowed-origin <origin>', 'an Origin whose pages may connect; may be repeated', collect)
    .option('--allowed-host <host>', 'a Host header that is served; may be repeated', collect)
    .option(
      '--trust-proxy',
      'believe X-Forwarded-For, -Host and -Proto: only where every request comes through your proxy',
    )
    .option('--retention-ms <ms>', 'embedded log: delete records older than this (default: never)', wholeNumber)
    .option(
      '--retention-bytes <bytes>',
      'embedded log: delete the oldest records of a partition above this (default: never)',
      wholeNumber,
    )
    .option(
      '--partitions <number>',
      "partitions of topics created without saying (default: 1; with Kafka the cluster's own)",
      wholeNumber,
    )
    .option('--auto-create', 'create topics that clients name (default: yes; with Kafka no)')
    .option('--no-auto-create', 'do not create topics that clients name')
    .option('--log-level <level>', `${LOG_LEVELS.join(', ')} (default: info); JSON lines to standard error`)
    .addHelpText('after', HELP)
    .action(async (flags: Flags) => {
      try {
        await run(flags);
      } catch (error) {
        process.stderr.write(`${line('gateway', messageOf(error))}\n`);
        process.exitCode = describeFailure('gateway', error).code;
      }
    });
}

async function run(flags: Flags): Promise<void> {
  const config = await readConfig(flags);
  const logger = defaultLogger(config.logLevel);
  watchProcess(logger);
  const stop = stopOnSignals(logger);
  const gateway = await open(config, logger);
  process.stdout.write(`dlog gateway listens on ${gateway.url}, ${whereIsLog(config)}\n`);
  await stop.requested;
  await gateway.close();
  process.exit(0);
}

async function readConfig(flags: Flags): Promise<GatewayConfig> {
  const { config: name } = flags;
  const text = await readText('--config', name);
  return gatewayConfig(
    {
      data: flags.data,
      kafka: {
        brokers: flags.kafka,
        tls: flags.kafkaTls,
        ca: await readText('--kafka-ca', flags.kafkaCa),
        cert: await readText('--kafka-cert', flags.kafkaCert),
        key: await readText('--kafka-key', flags.kafkaKey),
      },
      host: flags.host,
      port: flags.port,
      staticDir: flags.static,
      allowUnauthenticated: flags.allowUnauthenticated,
      allowedOrigins: flags.allowedOrigin,
      allowedHosts: flags.allowedHost,
      trustProxy: flags.trustProxy,
      retentionMs: flags.retentionMs,
      retentionBytes: flags.retentionBytes,
      defaultPartitions: flags.partitions,
      autoCreateTopics: flags.autoCreate,
      logLevel: flags.logLevel,
    },
    name === undefined || text === undefined ? undefined : { name, text },
    process.env,
  );
}

async function readText(flag: string, name: string | undefined): Promise<string | undefined> {
  if (name === undefined) return undefined;
  try {
    return await readFile(name, 'utf8');
  } catch (error) {
    throw new LogError('INVALID_CONFIG', `${flag} ${name} cannot be read: ${LogError.from(error).message}`, {
      cause: error,
    });
  }
}

async function open(config: GatewayConfig, logger: Logger): Promise<Gateway> {
  const {
    data,
    kafka,
    defaultPartitions,
    autoCreateTopics,
    retentionMs,
    retentionBytes,
    logLevel: _,
    ...options
  } = config;
  const log = await openLog(config);
  try {
    const gateway = await startGateway({ ...options, log, logger });
    const look = healthLines(
      () => log.health(),
      logger,
      () => performance.now(),
    );
    setInterval(look, HEALTH_LOOK_MS).unref();
    return gateway;
  } catch (error) {
    await log.close();
    throw error;
  }
}

/** Loads only what serves this log: one needs no Kafka client, the other no database. */
async function openLog(config: GatewayConfig): Promise<Log> {
  if (config.kafka !== undefined) {
    const { kafkaLog } = await import('../backends/kafka/index.ts');
    return kafkaLog(config.kafka);
  }
  const { data, defaultPartitions, autoCreateTopics, retentionMs, retentionBytes } = config;
  const { embeddedLog } = await import('../backends/embedded/index.ts');
  return embeddedLog({ dir: data, defaultPartitions, autoCreateTopics, retentionMs, retentionBytes });
}

function whereIsLog({ data, kafka }: GatewayConfig): string {
  return kafka === undefined ? `data in ${resolve(data)}` : `Kafka at ${kafka.brokers.join(',')}`;
}

/** The first SIGTERM or SIGINT asks for a drain, also while the gateway still opens; the second ends the process at once. */
function stopOnSignals(logger: Logger): { readonly requested: Promise<void> } {
  let request = () => {};
  const requested = new Promise<void>((resolve) => {
    request = resolve;
  });
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals) => {
    signals++;
    if (signals > 1) process.exit(130);
    logger.info({ signal }, 'stopping; a second signal stops at once');
    request();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return { requested };
}

/** What reached nobody. A full disk and a reader of our output that left are no defects; everything else ends the process. */
function watchProcess(logger: Logger): void {
  const onError = (error: unknown, origin: string) => {
    if (isExpected(error)) {
      logger.error({ err: error, origin }, 'an error that reached no one');
      return;
    }
    logger.error({ err: error, origin }, 'unexpected error, the process ends');
    process.stderr.write(`${line('gateway', `unexpected error, the process ends: ${messageOf(error)}`)}\n`);
    process.exit(EXIT.failure);
  };
  process.on('uncaughtException', onError);
  process.on('unhandledRejection', (reason) => onError(reason, 'unhandledRejection'));
  for (const output of [process.stdout, process.stderr]) output.on('error', () => {});
}

function isExpected(error: unknown): boolean {
  if (error instanceof LogError) return true;
  const { code, message } =
    error instanceof Error ? (error as NodeJS.ErrnoException) : { code: '', message: String(error) };
  return ['ENOSPC', 'EDQUOT', 'EPIPE'].includes(String(code)) || /no space left on device/i.test(message);
}

/** Without the name of the function that found it wrong: here it is said after the command's name. */
function messageOf(error: unknown): string {
  return LogError.from(error).message.replace(/^(?:dlog gateway|startGateway|embeddedLog|kafkaLog): /, '');
}
/** What is no whole number stays text, so that the check can show it. */
function wholeNumber(text: string): number | string {
  return /^\d{1,15}$/.test(text) ? Number(text) : text;
}
function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}
