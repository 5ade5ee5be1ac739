// The options and the connection that every client command shares. Knows nothing of topics or records.
import { type Command, InvalidArgumentError } from 'commander';
import { Client, LogError } from 'distributedlog';
import { line } from './failure.ts';

export interface ConnectionOptions {
  readonly bootstrap: string;
  readonly token?: string;
  /** Seconds; 0 waits for ever. */
  readonly timeout: number;
}

/** The longest delay that timers can hold. */
export const FOR_EVER_MS = 2 ** 31 - 1;

/** An argument parser for whole numbers, from `min` on where it is given. */
export function wholeNumber(min?: number) {
  return (text: string): number => {
    const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value) && value >= (min ?? value)) return value;
    throw new InvalidArgumentError(`must be a whole number${min === undefined ? '' : ` of at least ${min}`}.`);
  };
}
function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value * 1000 <= FOR_EVER_MS) return value;
  throw new InvalidArgumentError('must be a number of seconds, 0 for no limit.');
}

export function withConnection(command: Command): Command {
  return command
    .option(
      '--bootstrap <url>',
      'the gateway: host:port, ws://… or wss://…; several with commas (or set DLOG_BOOTSTRAP)',
      process.env.DLOG_BOOTSTRAP || 'localhost:9192',
    )
    .option('--token <token>', 'to authenticate with; DLOG_TOKEN keeps it out of the process list')
    .option('--timeout <seconds>', 'give up when the gateway cannot be reached for this long; 0: never', seconds, 30);
}

export function timeoutMs({ timeout }: ConnectionOptions): number {
  return timeout === 0 ? FOR_EVER_MS : timeout * 1000;
}

/**
 * Runs `work` with a client that is connected, and closes it afterwards. While the gateway cannot be reached, says once on stderr
 * that it is being retried, and once that it is back. Rejects with TIMED_OUT when the first connection takes longer than --timeout.
 */
export async function withClient<T>(
  name: string,
  options: ConnectionOptions,
  signal: AbortSignal,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client({
    bootstrapServers: options.bootstrap,
    clientId: 'dlog',
    // A variable that is set to nothing is as good as not set.
    token: options.token ?? (process.env.DLOG_TOKEN || undefined),
    requestTimeoutMs: Math.max(1, timeoutMs(options)),
  });
  let complained = false;
  const watching = client.status$.subscribe((status) => {
    if (status.type === 'reconnecting' && !complained) {
      complained = true;
      process.stderr.write(`${line(name, `${status.error.message}; retrying`)}\n`);
    }
    if (status.type === 'live' && complained) {
      complained = false;
      process.stderr.write(`${line(name, `connected to ${status.url}`)}\n`);
    }
  });
  try {
    await client.connect({ timeoutMs: Math.max(1, timeoutMs(options)), signal });
    return await work(client);
  } catch (error) {
    // Stopped by the user while waiting: that is no failure.
    if (signal.aborted && LogError.from(error).code === 'ABORTED') throw new Stopped();
    throw error;
  } finally {
    watching.unsubscribe();
    await client.close();
  }
}

/** The user stopped the command before it had begun its work. */
export class Stopped extends Error {}
