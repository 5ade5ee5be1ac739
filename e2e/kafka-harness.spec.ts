// The brokers that tests start leave nothing behind, however the process that started them ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@playwright/test';
import { whyNoKafka } from './support/kafka.ts';
import { stillRunning } from './support/processes.ts';

test.skip(whyNoKafka !== undefined, whyNoKafka ?? '');
test.slow();

const CLUSTER = fileURLToPath(new URL('kafka/cluster.mjs', import.meta.url));
/** Starts a broker, and says what there would be to clean up. */
const PROGRAM = `
  import { startCluster } from ${JSON.stringify(CLUSTER)};
  const { brokers: [{ pid, log }] } = await startCluster();
  console.log(JSON.stringify({ pid, log }));
  setInterval(() => undefined, 1_000);
  process.on('message', () => { throw new Error('a mistake'); });
`;
const ENDS: Record<string, (child: ChildProcess) => unknown> = {
  'Ctrl-C': (child) => child.kill('SIGINT'),
  'kill -9': (child) => child.kill('SIGKILL'),
  'an error that nobody caught': (child) => child.send('fail'),
};

for (const [how, end] of Object.entries(ENDS)) {
  test(`no broker and no data outlive who started them: ${how}`, async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], {
      stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
    });
    try {
      if (child.stdout === null) throw new Error('no standard output');
      const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
      const { pid, log }: { pid: number; log: string } = JSON.parse(value);
      expect(stillRunning([pid])).toEqual([pid]);
      expect(existsSync(log)).toBe(true);
      end(child);
      await expect.poll(() => stillRunning([pid])).toEqual([]);
      await expect.poll(() => existsSync(dirname(log))).toBe(false);
    } finally {
      child.kill('SIGKILL');
    }
  });
}
