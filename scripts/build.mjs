// `npm run build`: every package, only what changed. `-- --force` builds everything anew.
import { build, checkNode, done, install, main, seconds } from './lib/steps.mjs';

main(async () => {
  const started = performance.now();
  checkNode();
  await install();
  await build({ force: process.argv.includes('--force') });
  done(`Everything is built (${seconds(started)})`);
});
