// `npm test`: everything that decides whether a change may land, in one command on a bare machine.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ensureBrowser } from './lib/browser.mjs';
import { ensureBroker, ensureTools } from './lib/kafka.mjs';
import { build, checkNode, done, fail, install, main, root, run, StepError, say, seconds } from './lib/steps.mjs';

const reports = join(root, 'test-results');
const bin = (name) => join(root, 'node_modules/.bin', name);
let passed = 0;
let failed = 0;
let skipped = 0;

/** Adds a runner's JSON report to the totals; a run that executed nothing is a failure. */
function count(file, read) {
  const totals = read(JSON.parse(readFileSync(join(reports, file), 'utf8')));
  passed += totals.passed;
  failed += totals.failed;
  skipped += totals.skipped;
  if (totals.passed + totals.failed === 0) throw new StepError(`${file}: no test was executed`);
}

const STAGES = {
  lint: [
    'Lint and format (biome)',
    () => run(bin('biome'), ['ci', '--colors=off', '--error-on-warnings', '.'], { quiet: true }),
  ],
  types: [
    'Types of tests, benchmarks and the dashboard (tsc)',
    async () => {
      await run(bin('tsc'), ['--noEmit', '-p', 'tsconfig.test.json'], { quiet: true });
      await run(bin('tsc'), ['--noEmit', '-p', 'examples/web'], { quiet: true });
    },
  ],
  packages: [
    'Published packages: exports, unused code, size (publint, knip, size-limit)',
    async () => {
      await run(bin('publint'), ['--strict', '.'], { quiet: true });
      await run(bin('knip'), [], { quiet: true });
      await run(bin('size-limit'), []);
    },
  ],
  docs: [
    'Code in the documents compiles',
    () => run(process.execPath, [join(root, 'scripts/docs.mjs')], { quiet: true }),
  ],
  unit: [
    'Unit, property, conformance and process tests (vitest)',
    async () => {
      try {
        const reporters = ['--reporter=dot', '--reporter=json', `--outputFile.json=${join(reports, 'unit.json')}`];
        // As many random histories of groups as decide whether a change may land; alone, vitest plays fewer.
        const { MODEL_RUNS = '10000' } = process.env;
        // Vitest leaves a core free, and so would take one of two; tests against a broker mostly wait for it.
        const workers = Math.max(2, availableParallelism() - 1);
        await run(bin('vitest'), ['run', `--maxWorkers=${workers}`, ...reporters], { env: { MODEL_RUNS } });
      } finally {
        count('unit.json', (report) => ({
          passed: report.numPassedTests,
          failed: report.numFailedTests + report.numFailedTestSuites,
          skipped: report.numPendingTests + report.numTodoTests,
        }));
      }
    },
  ],
  e2e: [
    'End to end in real Chromium (playwright)',
    async () => {
      const chromium = await ensureBrowser();
      try {
        await run(bin('playwright'), ['test', '-c', 'e2e/playwright.config.ts'], { env: { CHROMIUM_PATH: chromium } });
      } finally {
        count('e2e.json', ({ stats }) => ({
          passed: stats.expected,
          failed: stats.unexpected + stats.flaky,
          skipped: stats.skipped,
        }));
      }
    },
  ],
  conformance: [
    'docs/CONFORMANCE.md is what this run says',
    () => {
      const report = join(reports, 'unit.json');
      const args = existsSync(report) ? ['--report', report] : [];
      return run(process.execPath, [join(root, 'scripts/conformance.mjs'), '--check', ...args]);
    },
  ],
};

/** Where a part of the tests runs against a real Kafka: one broker serves them all. */
const WITH_KAFKA = ['unit', 'e2e', 'conformance'];

const wanted = process.argv.slice(2).filter((name) => name !== '--');
if (wanted.includes('--help')) {
  console.log('npm test [-- STAGE…]\n\nWithout a stage: all of them.\n');
  for (const [name, [title]] of Object.entries(STAGES)) console.log(`  ${name.padEnd(10)}${title}`);
  process.exit(0);
}
const unknown = wanted.find((name) => !(name in STAGES));
if (unknown) fail(`There is no test stage "${unknown}"`, `choose from ${Object.keys(STAGES).join(', ')}`);

main(async () => {
  const started = performance.now();
  checkNode();
  await install();
  await build();
  rmSync(reports, { recursive: true, force: true });
  mkdirSync(reports, { recursive: true });
  const broken = [];
  const attempt = async (name, body) => {
    try {
      await body();
    } catch (error) {
      if (!(error instanceof StepError) || error.message === 'interrupted') throw error;
      broken.push(name);
      console.error(`✖ ${name}: ${error.message}`);
    }
  };
  const stages = Object.entries(STAGES).filter(([name]) => wanted.length === 0 || wanted.includes(name));
  let broker;
  try {
    if (stages.some(([name]) => WITH_KAFKA.includes(name))) {
      await attempt('kafka', async () => {
        broker = await ensureBroker();
        if (broker === undefined) return;
        process.env.KAFKA_BROKERS = broker.bootstrap;
        await ensureTools();
      });
    }
    for (const [name, [title, body]] of stages) {
      const at = performance.now();
      say(`${title}…`);
      await attempt(name, async () => {
        await body();
        done(`${title}: ${seconds(at)}`);
      });
    }
  } finally {
    await broker?.close();
  }
  console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  if (broken.length > 0) {
    const again = broken.filter((name) => name in STAGES);
    throw new StepError(
      `Failed: ${broken.join(', ')}${again.length ? ` (again: npm test -- ${again.join(' ')})` : ''}`,
    );
  }
  done(`All checks passed in ${seconds(started)}`);
});
