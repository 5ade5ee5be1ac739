// `dlog consume`: records of topics to standard output, as fast as its reader takes them. Knows nothing of producing.
import { Command, InvalidArgumentError } from 'commander';
import { type Client, type Consumer, LogError, type TopicPartition, type TopicPartitionOffset } from 'distributedlog';
import { type ConnectionOptions, wholeNumber, withClient, withConnection } from './connection.ts';
import { UsageError } from './failure.ts';
import { BrokenPipe, Output } from './output.ts';
import { FORMAT_FIELDS, type Format, jsonFormat, parseFormat } from './record-format.ts';
import { runCommand } from './run-command.ts';
import { parseStartPosition, START_POSITIONS, type StartPosition } from './start-position.ts';

interface ConsumeOptions extends ConnectionOptions {
  readonly group?: string;
  readonly from?: StartPosition;
  readonly follow?: true;
  readonly max?: number;
  readonly partition?: number[];
  readonly json?: true;
  readonly format?: string;
}

const POLL_MS = 1_000;

function partitions(text: string): number[] {
  const list = text.split(',').map(Number);
  if (/^\d+(,\d+)*$/.test(text) && list.every(Number.isSafeInteger)) return list;
  throw new InvalidArgumentError('must be partition numbers with commas, such as 0,2.');
}

export function consumeCommand(): Command {
  return withConnection(new Command('consume').argument('<topics...>'))
    .description('print records; without --follow, those that are there now')
    .option('--group <id>', 'read as a member of this group: begins at its commits, and commits what was printed')
    .option(
      '--from <where>',
      `${START_POSITIONS}. Default: earliest, with --follow latest. With --group, earliest and latest apply only where the group has no commit`,
      (text: string) => parseStartPosition(text, Date.now()),
    )
    .option('--follow', 'go on with new records until Ctrl-C')
    .option('--max <n>', 'stop after so many records', wholeNumber(1))
    .option('--partition <list>', 'only these partitions (not with --group)', partitions)
    .option('--json', 'one object a line; what is not UTF-8 is base64, and says so')
    .option('--format <format>', `default '%v\\n'. ${FORMAT_FIELDS}; \\n \\t \\xNN`)
    .addHelpText(
      'after',
      `
Examples:
  dlog consume clicks --from earliest --max 10
  dlog consume clicks --from 5m --follow --json | jq .value
  dlog consume clicks orders --group billing --follow
  dlog consume clicks --format '%T %k: %v\\n'`,
    )
    .action((topics: string[], options: ConsumeOptions) =>
      runCommand('consume', async (signal) => {
        if (options.json && options.format !== undefined)
          throw new UsageError('--json and --format exclude each other');
        if (options.group !== undefined && options.partition !== undefined) {
          throw new UsageError('--group and --partition exclude each other: the group assigns partitions');
        }
        const format = options.json ? jsonFormat : parseFormat(options.format ?? '%v\\n');
        await withClient('consume', options, signal, (client) => consume(client, topics, options, format, signal));
      }),
    );
}

async function consume(
  client: Client,
  topics: readonly string[],
  options: ConsumeOptions,
  format: Format,
  signal: AbortSignal,
): Promise<void> {
  const from = options.from ?? { at: options.follow ? 'latest' : 'earliest' };
  const consumer = client.consumer({
    groupId: options.group,
    autoOffsetReset: from.at === 'latest' ? 'latest' : 'earliest',
  });
  const output = new Output(process.stdout);
  try {
    await begin(consumer, topics, options, signal);
    await moveTo(consumer, from, signal);
    const ends: Ends | undefined = options.follow ? undefined : new Map();
    await print(consumer, output, format, options.max ?? Number.POSITIVE_INFINITY, ends, signal);
    await output.end();
    // All that was taken has been written: commit it.
    await consumer.close();
  } catch (error) {
    if (LogError.from(error).code === 'ABORTED' && signal.aborted) return await consumer.close();
    // What is in hand may not have reached the reader: commit only what came before it.
    await consumer[Symbol.asyncDispose]();
    throw error;
  }
}

async function begin(
  consumer: Consumer,
  topics: readonly string[],
  options: ConsumeOptions,
  signal: AbortSignal,
): Promise<void> {
  const { group, follow, partition } = options;
  if (group !== undefined || (follow && partition === undefined)) return consumer.subscribe(topics, { signal });
  const chosen: TopicPartition[] = [];
  for (const topic of topics) {
    const all = await consumer.partitionsFor(topic, { signal });
    if (all.length === 0) throw new LogError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic "${topic}"`);
    const missing = partition?.find((number) => !all.some((known) => known.partition === number));
    if (missing !== undefined)
      throw new UsageError(`${topic} has no partition ${missing}; it has ${all.length}, from 0`);
    for (const { partition: number } of all) {
      if (partition?.includes(number) ?? true) chosen.push({ topic, partition: number });
    }
  }
  await consumer.assign(chosen, { signal });
}

async function moveTo(consumer: Consumer, from: StartPosition, signal: AbortSignal): Promise<void> {
  switch (from.at) {
    case 'earliest':
    case 'latest':
      return; // autoOffsetReset has said so, and a group's commits come first.
    case 'offset':
      for (const partition of consumer.assignment()) consumer.seek(partition, from.offset);
      return;
    case 'tail':
      consumer.seekToTail(from.count);
      return;
    case 'time':
      await consumer.seekToTimestamp(from.timestamp, consumer.assignment(), { signal });
      return;
  }
}

const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`;

/** Where each partition ended when it was first seen: what comes later is not printed, nor committed as if it had been. */
type Ends = Map<string, number>;

/** Until `max` records are printed, every partition has reached its end, or the signal. */
async function print(
  consumer: Consumer,
  output: Output,
  format: Format,
  max: number,
  ends: Ends | undefined,
  signal: AbortSignal,
): Promise<void> {
  let left = max;
  let goOn = ends === undefined || (await hasMore(consumer, ends, signal));
  while (left > 0 && goOn && !signal.aborted) {
    const records = await consumer.poll({
      timeoutMs: POLL_MS,
      signal,
      ...(left === Number.POSITIVE_INFINITY ? {} : { maxRecords: Math.min(left, 500) }),
    });
    // A group may have given us more partitions.
    if (ends !== undefined) await learn(consumer, ends, records, signal);
    const chunks: Uint8Array[] = [];
    const beyond = new Map<string, TopicPartitionOffset>();
    for (const record of records) {
      const { topic, partition } = record;
      const offset = ends?.get(nameOf(record));
      if (offset !== undefined && record.offset >= offset) beyond.set(nameOf(record), { topic, partition, offset });
      else {
        chunks.push(format(record));
        left--;
      }
    }
    await output.write(Buffer.concat(chunks));
    // What was not printed is given back before the next poll could commit it.
    for (const end of beyond.values()) await ifAssigned(() => consumer.seek(end, end.offset));
    if (ends !== undefined) goOn = await hasMore(consumer, ends, signal);
  }
}

async function learn(
  consumer: Consumer,
  ends: Ends,
  partitions: readonly TopicPartition[],
  signal: AbortSignal,
): Promise<void> {
  const unknown = new Map<string, TopicPartition>();
  for (const { topic, partition } of partitions) {
    const name = nameOf({ topic, partition });
    if (!ends.has(name)) unknown.set(name, { topic, partition });
  }
  for (const end of await consumer.endOffsets([...unknown.values()], { signal })) ends.set(nameOf(end), end.offset);
}

/** Whether a partition we have has not reached its end. One that has is read no further. */
async function hasMore(consumer: Consumer, ends: Ends, signal: AbortSignal): Promise<boolean> {
  let more = false;
  await learn(consumer, ends, consumer.assignment(), signal);
  for (const partition of consumer.assignment()) {
    await ifAssigned(async () => {
      const position = await consumer.position(partition, { signal });
      if (position < (ends.get(nameOf(partition)) ?? 0)) more = true;
      else consumer.pause([partition]);
    });
  }
  return more;
}

/** A group may give a partition to another member at any time, who reads on there. */
async function ifAssigned(work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (LogError.from(error).code !== 'ILLEGAL_STATE') throw error;
  }
}
