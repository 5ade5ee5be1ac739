// `npm run bench`: installs and builds what is missing, then measures: catch-up, with `-- rebalance` groups, with `-- kafka` against Kafka's clients, with `-- footprint` what a gateway takes. `-- --help` lists the options.
import { join } from 'node:path';
import { build, checkNode, install, main, root, run } from './lib/steps.mjs';

main(async () => {
  // What it says while it prepares goes to stderr, so that `-- --json` is JSON alone.
  console.log = console.error;
  checkNode();
  await install();
  await build();
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b', 'bench'], { quiet: true });
  const [what, ...rest] = process.argv.slice(2);
  const others = { rebalance: 'rebalance.js', kafka: 'kafka.js', footprint: 'footprint.js' };
  const [program, options] = Object.hasOwn(others, what ?? '')
    ? [others[what], rest]
    : ['run.js', process.argv.slice(2)];
  await run(process.execPath, [join(root, 'bench/dist', program), ...options]);
});
