#!/usr/bin/env node
// Starts the command line from what the build made of it. Plain JavaScript, so that npm can link it before a build.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const main = new URL('../dist/cli/main.js', import.meta.url);
if (existsSync(main)) {
  const { run } = await import(main.href);
  process.exitCode = await run(process.argv.slice(2));
} else {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  process.stderr.write(`dlog: not built yet; run "npm run build" in ${root}\n`);
  process.exitCode = 1;
}
