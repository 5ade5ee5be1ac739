// The whole contract of a group under stress: three tabs and two Node processes join, leave, die, freeze, reload and are cut off, and a judge looks on.
// E2E_ROUNDS=50 plays fifty rounds; E2E_SEED=N repeats one that failed (its seed is in the output).
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'distributedlog';
import { build } from 'esbuild';
import type { Judge } from './groups/judge.ts';
import { type Member, NodeMember, TabMember } from './groups/members.ts';
import { type Report, Round } from './groups/round.ts';
import { GatewayProcess } from './support/gateway-process.ts';
import { Link } from './support/link.ts';
import { test } from './support/test.ts';

const ROUNDS = Number(process.env.E2E_ROUNDS ?? 1);
const SEED = Number(process.env.E2E_SEED ?? Date.now() % 1_000_000);
const ROUND_TIMEOUT_MS = 90_000;

// A trace of fifty rounds would hold all of their frames.
test.use({ trace: 'off' });

const sourceOf = (name: string): string => fileURLToPath(new URL(`./groups/${name}.ts`, import.meta.url));

test('five members, tabs and processes: every record is processed, one live owner at a time, repeated only where the contract allows it', async ({
  site,
  context,
}, testInfo) => {
  test.setTimeout(ROUNDS * ROUND_TIMEOUT_MS);
  const path = await site.add('member', { file: sourceOf('member-page') });
  const script = join(site.dir, 'member.cjs');
  await build({
    entryPoints: [sourceOf('member-node')],
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    external: ['bufferutil', 'utf-8-validate'],
  });
  // One way to the gateway for the pages, so that they share an origin, and one for each member's connection.
  const pages = await Link.open();
  const links = await Promise.all(Array.from({ length: 5 }, () => Link.open()));
  const origin = `http://127.0.0.1:${pages.port}`;
  const hosts = [pages, ...links].flatMap(({ port }) => ['--allowed-host', `127.0.0.1:${port}`]);
  const gateway = await GatewayProcess.start(site.dir, [...hosts, '--allowed-origin', origin]);
  for (const link of [pages, ...links]) link.target = gateway.port;
  const client = new Client({ bootstrapServers: gateway.url, clientId: 'e2e', reconnectBackoffMaxMs: 200 });
  const members = links.map(
    (link, index): Member =>
      index < 3
        ? new TabMember(`tab-${index + 1}`, link, context, `${origin}${path}`)
        : new NodeMember(`node-${index - 2}`, link, script),
  );
  const reports: Report[] = [];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const seed = SEED + round;
      const journal = testInfo.outputPath(`journal-${seed}.txt`);
      console.log(`round ${round + 1}/${ROUNDS}, E2E_SEED=${seed}, journal: ${journal}`);
      const options = { seed, restart: seed % 2 === 0, name: `stress-${seed}` };
      const report = await Round.play({ gateway, client, members }, options, (text) => writeFileSync(journal, text));
      reports.push(report);
      console.log(`  ${told(report)}; ${report.steps.join(', ')}`);
    }
  } finally {
    if (reports.length > 1) console.log(summary(reports));
    await client.close();
    await gateway.dispose();
    await Promise.all([pages, ...links].map((link) => link.close()));
  }
});

function told({ produced, handovers, again, slowest, ms }: Report): string {
  const reasons = Object.entries(again).map(([reason, count]) => `${reason} ${count}`);
  return (
    `${produced} records; again: ${reasons.join(', ')}; ${handovers} partitions assigned; ` +
    `slowest to settle: ${seconds(slowest.ms)} (${slowest.step}); ${seconds(ms)}`
  );
}
function summary(reports: readonly Report[]): string {
  const sum = (of: (report: Report) => number): number => reports.reduce((total, report) => total + of(report), 0);
  const again = { crash: 0, 'lost session': 0, reload: 0, revoked: 0 } satisfies Judge['figures']['again'];
  const reasons = (Object.keys(again) as (keyof typeof again)[]).map(
    (reason) => [reason, sum((report) => report.again[reason])] as const,
  );
  const [slowest = reports[0]] = reports.toSorted((a, b) => b.slowest.ms - a.slowest.ms);
  return `${reports.length} rounds in all: ${told({
    produced: sum(({ produced }) => produced),
    handovers: sum(({ handovers }) => handovers),
    again: { ...again, ...Object.fromEntries(reasons) },
    slowest: slowest?.slowest ?? { step: '', ms: 0 },
    steps: [],
    ms: sum(({ ms }) => ms),
  })}`;
}
function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
