// `dlog groups`: list and describe. Knows nothing of records.
import { Command } from 'commander';
import { type ConnectionOptions, withClient, withConnection } from './connection.ts';
import { json, print, table } from './output.ts';
import { runCommand } from './run-command.ts';

type Json = ConnectionOptions & { readonly json?: true };

export function groupsCommand(): Command {
  const groups = new Command('groups').description('list and describe consumer groups');
  groups.addHelpText('after', '\nExamples:\n  dlog groups list\n  dlog groups describe billing');

  withConnection(groups.command('list', { isDefault: true }))
    .description('list groups')
    .option('--json', 'print an array')
    .addHelpText('after', '\nExamples:\n  dlog groups list --json')
    .action((options: Json) =>
      runCommand('groups list', (signal) =>
        withClient('groups list', options, signal, async (client) => {
          const all = await client.admin().listGroups({ signal });
          const rows = all.map(({ groupId, state, members }) => [groupId, state, members]);
          await print(options.json ? json(all) : table(['GROUP', 'STATE', 'MEMBERS'], rows));
        }),
      ),
    );

  withConnection(groups.command('describe <group>'))
    .description('show members, assignments, committed offsets and lag')
    .option('--json', 'print an object')
    .addHelpText('after', '\nExamples:\n  dlog groups describe billing')
    .action((groupId: string, options: Json) =>
      runCommand('groups describe', (signal) =>
        withClient('groups describe', options, signal, async (client) => {
          const group = await client.admin().describeGroup(groupId, { signal });
          if (options.json) return print(json(group));
          const owner = (topic: string, partition: number): string =>
            group.members.find(({ assignment }) =>
              assignment.some((owned) => owned.topic === topic && owned.partition === partition),
            )?.memberId ?? '-';
          const offsets = group.offsets.map(({ topic, partition, committed, end, lag }) => [
            topic,
            partition,
            committed === null ? '-' : String(committed),
            end,
            lag,
            owner(topic, partition),
          ]);
          const members = group.members.map(({ memberId, clientId, epoch, topics }) => [
            memberId,
            clientId,
            epoch,
            topics.join(','),
          ]);
          await print(
            `${group.groupId}  ${group.state}  epoch ${group.epoch}\n\n` +
              `${table(['TOPIC', 'PARTITION', 'COMMITTED', 'END', 'LAG', 'MEMBER'], offsets)}\n` +
              `${table(['MEMBER', 'CLIENT', 'EPOCH', 'TOPICS'], members)}`,
          );
        }),
      ),
    );
  return groups;
}
