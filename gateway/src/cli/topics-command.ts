// `dlog topics`: list, create, delete, describe. Knows nothing of records.
import { Command, InvalidArgumentError } from 'commander';
import { LogError, type TopicDescription } from 'distributedlog';
import { type ConnectionOptions, wholeNumber, withClient, withConnection } from './connection.ts';
import { json, print, table } from './output.ts';
import { runCommand } from './run-command.ts';

type Json = ConnectionOptions & { readonly json?: true };

function configEntry(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('must be key=value, such as retention.ms=86400000.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** At most: offsets have holes. */
const recordsIn = ({ partitions }: TopicDescription): number =>
  partitions.reduce((sum, { logStart, highWatermark }) => sum + highWatermark - logStart, 0);

export function topicsCommand(): Command {
  const topics = new Command('topics').description('list, create, delete and describe topics');
  topics.addHelpText(
    'after',
    `
Examples:
  dlog topics list
  dlog topics create clicks --partitions 6 --config retention.ms=86400000
  dlog topics describe clicks --json
  dlog topics delete clicks`,
  );

  withConnection(topics.command('list', { isDefault: true }))
    .description('list topics')
    .option('--internal', 'also those of the log itself, whose names begin with __')
    .option('--json', 'print an array with all partitions')
    .addHelpText('after', '\nExamples:\n  dlog topics list\n  dlog topics list --json | jq -r ".[].name"')
    .action((options: Json & { internal?: true }) =>
      runCommand('topics list', (signal) =>
        withClient('topics list', options, signal, async (client) => {
          const all = await client.admin().listTopics({ signal });
          const shown = all.filter(({ internal }) => options.internal || !internal);
          const rows = shown.map((topic) => [topic.name, topic.partitions.length, recordsIn(topic)]);
          await print(options.json ? json(shown) : table(['NAME', 'PARTITIONS', 'RECORDS'], rows));
        }),
      ),
    );

  withConnection(topics.command('create <name>'))
    .description('create a topic')
    .option('--partitions <n>', 'default: the log’s', wholeNumber(1))
    .option('--replication-factor <n>', 'default: the log’s', wholeNumber(1))
    .option('--config <key=value>', 'may be given several times: retention.ms, retention.bytes', configEntry)
    .option('--if-not-exists', 'succeed if there is a topic of that name')
    .option('--json', 'print the topic')
    .addHelpText('after', '\nExamples:\n  dlog topics create clicks --partitions 6 --config retention.ms=86400000')
    .action(
      (
        name: string,
        options: Json & {
          partitions?: number;
          replicationFactor?: number;
          config?: Record<string, string>;
          ifNotExists?: true;
        },
      ) =>
        runCommand('topics create', (signal) =>
          withClient('topics create', options, signal, async (client) => {
            const { partitions, replicationFactor, config } = options;
            const admin = client.admin();
            try {
              const topic = await admin.createTopic({ name, partitions, replicationFactor, config }, { signal });
              await print(
                options.json ? json(topic) : `created ${name} with ${topic.partitions.length} partition(s)\n`,
              );
            } catch (error) {
              if (!options.ifNotExists || LogError.from(error).code !== 'TOPIC_ALREADY_EXISTS') throw error;
              const existing = (await admin.listTopics({ signal })).find((topic) => topic.name === name);
              await print(options.json ? json(existing) : `${name} exists\n`);
            }
          }),
        ),
    );

  withConnection(topics.command('delete <names...>'))
    .description('delete topics with their records and commits')
    .option('--if-exists', 'succeed if there is no such topic')
    .addHelpText(
      'after',
      '\nExamples:\n  dlog topics delete clicks\n  dlog topics delete --if-exists old-clicks older-clicks',
    )
    .action((names: string[], options: ConnectionOptions & { ifExists?: true }) =>
      runCommand('topics delete', (signal) =>
        withClient('topics delete', options, signal, async (client) => {
          const admin = client.admin();
          for (const name of names) {
            try {
              await admin.deleteTopic(name, { signal });
              await print(`deleted ${name}\n`);
            } catch (error) {
              if (!options.ifExists || LogError.from(error).code !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
              await print(`${name} does not exist\n`);
            }
          }
        }),
      ),
    );

  withConnection(topics.command('describe <names...>'))
    .description('show the partitions of topics with their offsets')
    .option('--json', 'print an array of topics')
    .addHelpText('after', '\nExamples:\n  dlog topics describe clicks orders')
    .action((names: string[], options: Json) =>
      runCommand('topics describe', (signal) =>
        withClient('topics describe', options, signal, async (client) => {
          const all = await client.admin().listTopics({ signal });
          const chosen = names.map((name) => {
            const topic = all.find((candidate) => candidate.name === name);
            if (topic === undefined) throw new LogError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic "${name}"`);
            return topic;
          });
          if (options.json) return print(json(chosen));
          for (const topic of chosen) {
            const rows = topic.partitions.map((p) => [p.partition, p.logStart, p.highWatermark, p.leaderEpoch]);
            await print(
              `${topic.name}  ${topic.topicId}\n${table(['PARTITION', 'START', 'END', 'LEADER EPOCH'], rows)}`,
            );
          }
        }),
      ),
    );
  return topics;
}
