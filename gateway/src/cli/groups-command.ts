// `dlog groups`: list, describe, reset and delete. Knows nothing of records.
import { Command } from 'commander';
import { LogError } from 'distributedlog';
import { type ConnectionOptions, wholeNumber, withClient, withConnection } from './connection.ts';
import { describeFailure, UsageError } from './failure.ts';
import { applyReset, type Chosen, findReset, type Moved, parseTopics, type ResetTo } from './group-reset.ts';
import { notEmpty, textOf, viewOf } from './group-view.ts';
import { json, print, table } from './output.ts';
import { runCommand } from './run-command.ts';
import { parseStartPosition, START_POSITIONS, type StartPosition } from './start-position.ts';

type Json = ConnectionOptions & { readonly json?: true };

export function groupsCommand(): Command {
  const groups = new Command('groups').description('list, describe, reset and delete consumer groups');
  groups.addHelpText(
    'after',
    `
Examples:
  dlog groups list
  dlog groups describe billing
  dlog groups reset billing --to 2h
  dlog groups delete old-billing`,
  );
  groups.addCommand(listCommand(), { isDefault: true });
  groups.addCommand(describeCommand());
  groups.addCommand(resetCommand());
  groups.addCommand(deleteCommand());
  return groups;
}

function listCommand(): Command {
  return withConnection(new Command('list'))
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
}

function describeCommand(): Command {
  return withConnection(new Command('describe').argument('<group>'))
    .description('show members and what they work on, what is moving, committed offsets and lag')
    .option('--json', 'print an object')
    .addHelpText(
      'after',
      `
CONNECTION: a member that is "held" has lost its connection and keeps its partitions until its session times out.

Examples:
  dlog groups describe billing
  dlog groups describe billing --json | jq .lag
  watch dlog groups describe billing`,
    )
    .action((groupId: string, options: Json) =>
      runCommand('groups describe', (signal) =>
        withClient('groups describe', options, signal, async (client) => {
          const view = viewOf(await client.admin().describeGroup(groupId, { signal }));
          await print(options.json ? json(view) : textOf(view));
        }),
      ),
    );
}

interface ResetOptions extends Json {
  readonly to?: StartPosition;
  readonly shiftBy?: number;
  readonly topic?: Chosen;
  readonly execute?: true;
}

function resetCommand(): Command {
  return withConnection(new Command('reset').argument('<group>'))
    .description('move the committed offsets of a group that has no members; without --execute, only show where to')
    .option('--to <where>', START_POSITIONS, (text: string) => parseStartPosition(text, Date.now()))
    .option(
      '--shift-by <n>',
      'so many records on from what is committed, or back with -n, as far as the log goes',
      wholeNumber(),
    )
    .option(
      '--topic <topic[:partitions]>',
      'only this, such as clicks or clicks:0,2; may be given several times. Default: the topics that the group has commits for',
      parseTopics,
    )
    .option('--execute', 'do it')
    .option('--json', 'print an object')
    .addHelpText(
      'after',
      `
A time means the first record at or after it, or the end where there is none. An offset outside a partition’s log is refused.

Examples:
  dlog groups reset billing --to earliest                      # shows what would be done
  dlog groups reset billing --to earliest --execute
  dlog groups reset billing --to 2026-01-31T10:00Z --topic clicks --topic orders:0,2 --execute
  dlog groups reset billing --shift-by -100 --execute`,
    )
    .action((groupId: string, options: ResetOptions) =>
      runCommand('groups reset', async (signal) => {
        const { topic, execute = false } = options;
        const to = resetTo(options);
        await withClient('groups reset', options, signal, async (client) => {
          const plan = await findReset(client, groupId, to, topic, signal);
          if (execute) await applyReset(client, groupId, plan, signal);
          await print(
            options.json ? json({ groupId, executed: execute, offsets: plan }) : resetText(groupId, plan, execute),
          );
        });
      }),
    );
}
function resetTo({ to, shiftBy }: ResetOptions): ResetTo {
  if (to !== undefined && shiftBy !== undefined) throw new UsageError('--to and --shift-by exclude each other');
  if (to !== undefined) return to;
  if (shiftBy !== undefined) return { at: 'shift', by: shiftBy };
  throw new UsageError(`--to is missing: ${START_POSITIONS}`);
}
function resetText(groupId: string, plan: readonly Moved[], executed: boolean): string {
  const rows = plan.map(({ topic, partition, committed, offset, lag }) => [topic, partition, committed, offset, lag]);
  const moved = plan.filter(({ committed, offset }) => committed !== offset).length;
  const done = `moved ${moved} of ${plan.length} partition(s) of ${groupId}`;
  return (
    table(['TOPIC', 'PARTITION', executed ? 'BEFORE' : 'COMMITTED', executed ? 'COMMITTED' : 'NEW', 'LAG'], rows) +
    (executed ? `\n${done}\n` : `\nnothing is changed yet: the same with --execute does it\n`)
  );
}

function deleteCommand(): Command {
  return withConnection(new Command('delete').argument('<groups...>'))
    .description('delete groups that have no members, with their commits; each is tried')
    .option('--if-exists', 'succeed if there is no such group')
    .option('--json', 'print an array that says of each whether it was deleted')
    .addHelpText(
      'after',
      '\nExamples:\n  dlog groups delete old-billing\n  dlog groups delete --if-exists test-1 test-2',
    )
    .action((groupIds: string[], options: Json & { readonly ifExists?: true }) =>
      runCommand('groups delete', (signal) =>
        withClient('groups delete', options, signal, async (client) => {
          const admin = client.admin();
          const outcomes: { readonly groupId: string; readonly deleted: boolean; readonly error?: string }[] = [];
          for (const groupId of groupIds) {
            try {
              await admin.deleteGroup(groupId, { signal });
              outcomes.push({ groupId, deleted: true });
              if (!options.json) await print(`deleted ${groupId}\n`);
            } catch (cause) {
              const { code } = LogError.from(cause);
              // Without a gateway there is no use in trying the others.
              if (code === 'TIMED_OUT' || code === 'ABORTED') throw cause;
              if (options.ifExists && code === 'GROUP_ID_NOT_FOUND') {
                outcomes.push({ groupId, deleted: false });
                if (!options.json) await print(`${groupId} does not exist\n`);
                continue;
              }
              const error =
                code === 'NON_EMPTY_GROUP'
                  ? notEmpty(await admin.describeGroup(groupId, { signal }), 'it cannot be deleted')
                  : cause;
              const failure = describeFailure('groups delete', error);
              process.stderr.write(`${failure.line}\n`);
              process.exitCode = Math.max(Number(process.exitCode ?? 0), failure.code);
              outcomes.push({ groupId, deleted: false, error: code });
            }
          }
          if (options.json) await print(json(outcomes));
        }),
      ),
    );
}
