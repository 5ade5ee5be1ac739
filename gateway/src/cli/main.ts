// The command line `dlog`: its commands, and how wrong usage is told. Knows nothing of what the commands do.
import { readFileSync } from 'node:fs';
import { Command, type CommanderError } from 'commander';
import { consumeCommand } from './consume-command.ts';
import { describeFailure, EXIT, line } from './failure.ts';
import { gatewayCommand } from './gateway-command.ts';
import { groupsCommand } from './groups-command.ts';
import { produceCommand } from './produce-command.ts';
import { topicsCommand } from './topics-command.ts';

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return String(Reflect.get(Object(manifest), 'version'));
}

function buildProgram(): Command {
  const program = new Command('dlog')
    .description('A durable log for every JavaScript runtime: run a gateway, produce to it, consume from it.')
    .version(version(), '--version', 'print the version')
    .helpOption('-h, --help', 'what a command does, its options and examples')
    .helpCommand('help [command]', 'the same as dlog command --help')
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      `
Exit codes: 0 success, 1 failure, 2 wrong usage.

Examples:
  dlog gateway --data ./data
  tail -f access.log | dlog produce access-log
  dlog consume access-log --from 5m --follow`,
    );
  for (const command of [gatewayCommand(), topicsCommand(), produceCommand(), consumeCommand(), groupsCommand()]) {
    program.addCommand(command);
  }
  prepare(program, '');
  return program;
}

/** Every command throws instead of exiting, and tells wrong usage in one line under its own name. */
function prepare(command: Command, name: string): void {
  command.exitOverride();
  command.configureOutput({
    outputError: (text, write) => {
      const message = text.replace(/^error: /, '').replace(/\n\(/g, ' (');
      write(`${line(name, message, `see dlog ${name} --help`.replace('  ', ' '))}\n`);
    },
  });
  for (const child of command.commands) prepare(child, `${name} ${child.name()}`.trim());
}

/** `argv`: without node and script. Resolves with the exit code: 0 success, 1 failure, 2 wrong usage. */
export async function run(argv: readonly string[]): Promise<number> {
  const program = buildProgram();
  if (argv.length === 0) {
    program.outputHelp({ error: true });
    return EXIT.usage;
  }
  try {
    await program.parseAsync(argv, { from: 'user' });
    return Number(process.exitCode ?? EXIT.ok);
  } catch (error) {
    const { line: text, code } = describeFailure('', error as CommanderError);
    if (text !== undefined) process.stderr.write(`${text}\n`);
    return code;
  }
}
