// docs/CONFORMANCE.md as text: rules, their cases, and what became of each. Reads and runs nothing.

/** What the cases run against, in the order of the columns; each suite titles its tests with `titleOf`. */
export const BACKENDS = [
  { name: 'in memory', suite: 'src/testing/consumer-cases.memory.test.ts' },
  { name: 'embedded log', suite: 'gateway/src/consumer-conformance.test.ts' },
  { name: 'Kafka', suite: 'gateway/src/backends/kafka/consumer-conformance.test.ts' },
  { name: 'Kafka, classic groups', suite: 'gateway/src/backends/kafka/consumer-conformance-classic.test.ts' },
];
/** Whether a test, by the file it is in, is skipped where there is no broker. */
export const needsKafka = (file) => file.includes('kafka');
export const titleOf = ({ rules, name }) => `${rules.join(' ')}: ${name}`;

const plain = (text) => text.replace(/[\\*_<>|]/g, (char) => `\\${char}`);
const row = (cells) => `| ${cells.join(' | ')} |`;

/** `outcome(file, title)` is 'passed', 'failed', 'skipped' or 'missing'. */
export function conformanceDocument(rules, cases, outcome) {
  const marks = { passed: '✔', failed: '✖ failed', skipped: '✖ skipped', missing: '✖ did not run' };
  const mark = (file, title) => marks[outcome(file, title)];
  const named = new Set(rules.flatMap(({ checkedBy }) => checkedBy.map(({ file, test }) => `${file} ${test}`)));
  const sections = [...new Set(rules.map(({ section }) => section))];
  const counts = [
    ...BACKENDS.map(({ name, suite }) => {
      const green = cases.filter((one) => outcome(suite, titleOf(one)) === 'passed').length;
      return `${green} of ${cases.length} ${name}`;
    }),
  ].join(', ');

  const rowsOf = (rule) => {
    const mine = cases.filter((one) => one.rules.includes(rule.id));
    const blank = BACKENDS.map(() => '');
    const rows = [row([`**${rule.id}**`, `**${rule.text}**`, ...blank])];
    for (const one of mine)
      rows.push(row(['', plain(one.name), ...BACKENDS.map(({ suite }) => mark(suite, titleOf(one)))]));
    for (const { file, test } of rule.checkedBy) {
      rows.push(row(['', `${mark(file, test)} [${file}](../${file}): ${plain(test)}`, ...blank]));
    }
    return rows;
  };

  return `# Conformance of the consumer
<!-- Written by \`node scripts/conformance.mjs\`. -->

What \`Consumer\` promises, rule by rule, and what checks it. The reference is Apache Kafka's Java consumer; where JavaScript
needs something else, the rule says so. The cases are data (\`src/testing/consumer-cases*.ts\`), and every way to reach a log
runs all of them: a gateway in memory, one over real sockets on the embedded log, and one on a real Kafka, with members of
groups that speak its newer protocol and with such that speak the classic one; connections are cut and gateways restarted.
Where a manual clock, a hand-made batch, a disk or a browser is needed, a rule names the test instead.

${rules.length} rules; ${cases.length} cases: ${counts} passed; ${named.size} tests elsewhere.

**To add a case**: write it into the file of its section with the rules it checks (a new rule goes to
\`src/testing/consumer-rules*.ts\`), let it wait for what must happen (\`until\`) rather than sleep, break the code once to see
it fail, then \`npm run build && node scripts/conformance.mjs\`, which runs everything named here and writes this document;
it needs a broker (\`KAFKA_BROKERS\`; \`node scripts/kafka.mjs\` starts one).
**To add a backend**: a suite that runs \`consumerCases\`, and a line in \`scripts/lib/conformance-document.mjs\`.
\`npm test\` fails where a rule has neither case nor test, where this document is not what a run says, and where anything in it
did not pass; what is skipped for want of a Kafka is said, and fails only with \`REQUIRE_KAFKA=1\`.

${sections
  .map((section) => {
    const mine = rules.filter((rule) => rule.section === section);
    return [
      `## ${section}`,
      row(['rule', 'what it says, and what checks it', ...BACKENDS.map(({ name }) => name)]),
      row(['---', '---', ...BACKENDS.map(() => '---')]),
      ...mine.flatMap(rowsOf),
    ].join('\n');
  })
  .join('\n\n')}
`;
}
