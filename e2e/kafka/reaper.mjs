// Outlives whoever started it by a moment: when its standard input ends, however that process ended, it kills the process
// groups and containers and removes the directories that it was told of. Knows nothing of Kafka.
// Lines of JSON on standard input: {"add"|"done": {"group": pid} | {"container": name} | {"dir": path}}
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);

const left = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const { add, done } = JSON.parse(line);
  if (add !== undefined) left.set(JSON.stringify(add), add);
  if (done !== undefined) left.delete(JSON.stringify(done));
}

const all = [...left.values()];
for (const { group } of all) {
  if (group === undefined) continue;
  try {
    process.kill(process.platform === 'win32' ? group : -group, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') console.error(`reaper: ${error.message}`);
  }
}
for (const { container } of all) {
  if (container !== undefined) spawnSync('docker', ['rm', '--force', container], { stdio: 'ignore' });
}
for (const { dir } of all) {
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}
