// Writes docs/CONFORMANCE.md from the rules, the cases and a run of all that checks them. `--check`: fails instead where the document differs or anything did not pass. `--report FILE`: takes a run that was (vitest's JSON report). Needs a build, and a Kafka (KAFKA_BROKERS); `--check` says what was skipped without one, and fails only with REQUIRE_KAFKA=1.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { BACKENDS, conformanceDocument, needsKafka, titleOf } from './lib/conformance-document.mjs';
import { done, main, root, run, StepError } from './lib/steps.mjs';

const document = join(root, 'docs/CONFORMANCE.md');
const reports = join(root, 'test-results');

/** Titles and outcomes by file. */
function unitResults(report) {
  const results = new Map();
  for (const { name, assertionResults } of JSON.parse(readFileSync(report, 'utf8')).testResults) {
    const file = relative(root, name).replaceAll('\\', '/');
    const tests = assertionResults.map(({ title, status }) => ({
      title,
      passed: status === 'passed',
      skipped: ['skipped', 'pending', 'disabled'].includes(status),
    }));
    results.set(file, [...(results.get(file) ?? []), ...tests]);
  }
  return results;
}
function browserResults(report, results = new Map()) {
  const walk = ({ file, specs = [], suites = [] }) => {
    const tests = specs.map(({ title, ok, tests: runs }) => ({
      title,
      passed: ok,
      skipped: runs.every(({ status }) => status === 'skipped'),
    }));
    results.set(`e2e/${file}`, [...(results.get(`e2e/${file}`) ?? []), ...tests]);
    for (const suite of suites) walk(suite);
  };
  for (const suite of JSON.parse(readFileSync(report, 'utf8')).suites) walk(suite);
  return results;
}

function outcomeOf(tests) {
  if (tests.length === 0) return 'missing';
  if (tests.some(({ skipped }) => skipped)) return 'skipped';
  return tests.every(({ passed }) => passed) ? 'passed' : 'failed';
}

async function ownRun(files) {
  mkdirSync(reports, { recursive: true });
  const report = join(reports, 'conformance.json');
  const vitest = join(root, 'node_modules/.bin/vitest');
  // What fails is in the report.
  await run(vitest, ['run', ...files, '--reporter=json', `--outputFile=${report}`], { silent: true }).catch(
    () => undefined,
  );
  if (!existsSync(report)) throw new StepError(`vitest wrote no ${report}`);
  return report;
}

main(async () => {
  const args = process.argv.slice(2);
  const check = args.includes('--check');
  const mayBeUnseen = check && process.env.REQUIRE_KAFKA !== '1';
  const at = args.indexOf('--report');
  const { consumerCases } = await import('../dist/testing/consumer-cases.js');
  const { consumerRules } = await import('../dist/testing/consumer-rules.js');

  const elsewhere = consumerRules.flatMap(({ checkedBy }) => checkedBy);
  const files = [...new Set([...BACKENDS.map(({ suite }) => suite), ...elsewhere.map(({ file }) => file)])];
  const results = unitResults(at < 0 ? await ownRun(files.filter((file) => !file.startsWith('e2e/'))) : args[at + 1]);
  // Tests in a browser are looked at where they belong to the same run; else whoever runs them says whether they pass.
  const browser = join(reports, 'e2e.json');
  const seen = at >= 0 && existsSync(browser) ? browserResults(browser) : undefined;

  const bad = new Set();
  let unseen = 0;
  const outcome = (file, title) => {
    const inBrowser = file.startsWith('e2e/');
    if (inBrowser && seen === undefined) return 'passed';
    const tests = ((inBrowser ? seen : results).get(file) ?? []).filter((test) => test.title.startsWith(title));
    const found = outcomeOf(tests);
    if (mayBeUnseen && found === 'skipped' && needsKafka(file)) {
      unseen++;
      return 'passed';
    }
    if (found !== 'passed') bad.add(`${found}: ${file}: ${title}`);
    return found;
  };
  const text = conformanceDocument(consumerRules, consumerCases, outcome);
  for (const line of bad) console.error(line);
  if (!check) writeFileSync(document, text);
  if (bad.size > 0) throw new StepError(`${bad.size} of what docs/CONFORMANCE.md names did not pass`);
  if (check && readFileSync(document, 'utf8') !== text) {
    throw new StepError('docs/CONFORMANCE.md is not what rules and cases say: node scripts/conformance.mjs writes it');
  }
  const green = unseen === 0 ? 'all green' : 'all green, but what needs a Kafka was skipped';
  done(`docs/CONFORMANCE.md: ${consumerRules.length} rules, ${consumerCases.length} cases, ${green}`);
});
