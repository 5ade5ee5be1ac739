// The frame around every client command: signals, failures, exit codes. Knows nothing of what the command does.
import { Stopped } from './connection.ts';
import { describeFailure, EXIT } from './failure.ts';
import { BrokenPipe } from './output.ts';

/**
 * Runs `work` and sets the exit code. The first Ctrl-C (or SIGTERM) fires the signal, so that the command can end in order; the second
 * one ends the process. A reader that has gone away is a quiet end.
 */
export async function runCommand(name: string, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const onSignal = () => {
    if (stop.signal.aborted) process.exit(130);
    stop.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    await work(stop.signal);
  } catch (error) {
    if (error instanceof BrokenPipe || error instanceof Stopped) return;
    const { line, code } = describeFailure(name, error);
    if (line !== undefined) process.stderr.write(`${line}\n`);
    process.exitCode = code === EXIT.ok ? process.exitCode : code;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}
