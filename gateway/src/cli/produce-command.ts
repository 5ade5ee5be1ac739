// `dlog produce`: standard input to a topic, one record a line, as fast as the log takes them. Knows nothing of consuming.
import { Command, InvalidArgumentError, Option } from 'commander';
import { type Client, LogError, type Producer, type RecordHeader, type RecordMetadata } from 'distributedlog';
import {
  type ConnectionOptions,
  FOR_EVER_MS,
  timeoutMs,
  wholeNumber,
  withClient,
  withConnection,
} from './connection.ts';
import { line as failureLine, UsageError } from './failure.ts';
import { LineSplitter } from './lines.ts';
import { Output } from './output.ts';
import { runCommand } from './run-command.ts';

interface ProduceOptions extends ConnectionOptions {
  readonly key?: string;
  readonly keySeparator?: string;
  readonly partition?: number;
  readonly header?: RecordHeader[];
  readonly compression: 'none' | 'gzip';
  readonly json?: true;
  readonly quiet?: true;
}

/** Bytes read from standard input and not yet acknowledged; above it reading pauses. */
const MAX_UNACKNOWLEDGED_BYTES = 8 * 1024 * 1024;
const MAX_LINE_BYTES = 2 * 1024 * 1024;
const PROGRESS_MS = 1_000;
/** How long Ctrl-C lets what was read be delivered. */
const STOP_MS = 5_000;

function header(text: string, before: RecordHeader[] = []): RecordHeader[] {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('must be key=value.');
  return [...before, { key: text.slice(0, at), value: Buffer.from(text.slice(at + 1)) }];
}

export function produceCommand(): Command {
  return withConnection(new Command('produce').argument('<topic>'))
    .description('send standard input to a topic, one record a line')
    .option('--key-separator <s>', 'what stands before its first occurrence in a line is the key')
    .option('--key <key>', 'one key for all records')
    .option('--partition <n>', 'default: by the key, else in turns', wholeNumber(0))
    .option('--header <key=value>', 'on every record; may be given several times', header)
    .addOption(new Option('--compression <codec>').choices(['none', 'gzip']).default('none'))
    .option('--json', 'at the end, print where the records went as an object')
    .option('--quiet', 'neither progress nor summary on stderr')
    .addHelpText(
      'after',
      `
Examples:
  tail -f access.log | dlog produce access-log
  echo 'user-1:{"page":"/"}' | dlog produce clicks --key-separator :
  dlog produce clicks --compression gzip < clicks.jsonl`,
    )
    .action((topic: string, options: ProduceOptions) =>
      runCommand('produce', (signal) =>
        withClient('produce', options, signal, (client) => produce(client, topic, options, signal)),
      ),
    );
}

class Tally {
  records = 0;
  bytes = 0;
  readonly startedAt = performance.now();
  readonly partitions = new Map<number, { first: number; last: number; records: number }>();

  add({ partition, offset }: RecordMetadata, bytes: number): void {
    this.records++;
    this.bytes += bytes;
    const known = this.partitions.get(partition);
    if (known === undefined) this.partitions.set(partition, { first: offset, last: offset, records: 1 });
    else {
      known.first = Math.min(known.first, offset);
      known.last = Math.max(known.last, offset);
      known.records++;
    }
  }
  describe(topic: string): string {
    const seconds = ((performance.now() - this.startedAt) / 1000).toFixed(1);
    const records = `${this.records.toLocaleString('en-US')} record${this.records === 1 ? '' : 's'}`;
    return `${records} (${this.bytes.toLocaleString('en-US')} bytes) to ${topic} in ${seconds} s`;
  }
  toJSON(): object {
    const partitions = [...this.partitions].sort(([a], [b]) => a - b);
    return {
      records: this.records,
      bytes: this.bytes,
      partitions: partitions.map(([partition, offsets]) => ({ partition, ...offsets })),
    };
  }
}

async function produce(client: Client, topic: string, options: ProduceOptions, signal: AbortSignal): Promise<void> {
  const producer = client.producer({
    compression: options.compression,
    // A pipe that stays open outlives any outage that --timeout allows.
    deliveryTimeoutMs: Math.min(FOR_EVER_MS, Math.max(120_000, timeoutMs(options))),
  });
  const tally = new Tally();
  const progress = showProgress(topic, tally, options);
  let failure: unknown;
  try {
    await sendLines(producer, topic, options, signal, tally);
    await producer.close(signal.aborted ? { timeoutMs: STOP_MS } : {});
  } catch (error) {
    failure = error;
  } finally {
    progress();
    process.stdin.destroy();
  }
  if (!options.quiet && (failure === undefined || tally.records > 0)) {
    process.stderr.write(`${failureLine('produce', tally.describe(topic))}\n`);
  }
  if (options.json) {
    const output = new Output(process.stdout);
    await output.write(`${JSON.stringify({ topic, ...tally.toJSON() })}\n`);
    await output.end();
  }
  if (failure !== undefined) throw failure;
}

function showProgress(topic: string, tally: Tally, options: ProduceOptions): () => void {
  if (options.quiet || !process.stderr.isTTY) return () => undefined;
  if (process.stdin.isTTY) process.stderr.write('one record a line; Ctrl-D ends\n');
  const timer = setInterval(() => {
    if (!process.stdin.isTTY) process.stderr.write(`\r\u001b[K${failureLine('produce', tally.describe(topic))}`);
  }, PROGRESS_MS);
  return () => {
    clearInterval(timer);
    if (!process.stdin.isTTY) process.stderr.write('\r\u001b[K');
  };
}

/** Reads to the end or until the signal. Rejects with the first failure, which names its line. */
async function sendLines(
  producer: Producer,
  topic: string,
  options: ProduceOptions,
  signal: AbortSignal,
  tally: Tally,
): Promise<void> {
  const lines = new LineSplitter(MAX_LINE_BYTES);
  const fixedKey = options.key === undefined ? null : Buffer.from(options.key);
  let lineNumber = 0;
  let unacknowledged = 0;
  let failure: unknown;
  let wake: (() => void) | undefined;
  const settled = (bytes: number) => {
    unacknowledged -= bytes;
    wake?.();
  };

  const send = (bytes: Uint8Array): void => {
    const number = ++lineNumber;
    const { key, value } = split(bytes, options, fixedKey, number);
    unacknowledged += bytes.length;
    producer.send({ topic, key, value, headers: options.header, partition: options.partition }).then(
      (metadata) => {
        tally.add(metadata, bytes.length);
        settled(bytes.length);
      },
      (error: unknown) => {
        const { code, message } = LogError.from(error);
        failure ??= new LogError(code, `line ${number}: ${message}`, { cause: error });
        settled(bytes.length);
      },
    );
  };
  const stopReading = () => process.stdin.destroy();
  signal.addEventListener('abort', stopReading, { once: true });
  try {
    for await (const chunk of process.stdin) {
      for (const bytes of lines.push(chunk)) send(bytes);
      while (unacknowledged > MAX_UNACKNOWLEDGED_BYTES && failure === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (failure !== undefined) break;
    }
  } catch (error) {
    // Ctrl-C ends the reading, and that is no failure.
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', stopReading);
  }
  const last = lines.end();
  if (last !== undefined && failure === undefined && !signal.aborted) send(last);
  await producer.flush(signal.aborted ? { timeoutMs: STOP_MS } : {});
  if (failure !== undefined) throw failure;
}

function split(
  bytes: Uint8Array,
  { keySeparator }: ProduceOptions,
  fixedKey: Uint8Array | null,
  number: number,
): { key: Uint8Array | null; value: Uint8Array } {
  if (keySeparator === undefined) return { key: fixedKey, value: bytes };
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const at = buffer.indexOf(keySeparator);
  if (at < 0) {
    throw new UsageError(`line ${number} has no key: the separator ${JSON.stringify(keySeparator)} is not in it`);
  }
  return { key: buffer.subarray(0, at), value: buffer.subarray(at + Buffer.byteLength(keySeparator)) };
}
