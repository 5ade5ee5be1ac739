// A cluster of three brokers and two gateways in front of it: brokers and gateways die and come back, and a group of tabs and Node processes reads on; a judge looks on.
// E2E_ROUNDS=20 plays twenty rounds; E2E_PROTOCOL=classic|consumer says what members of groups speak at the brokers.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'distributedlog';
import { build } from 'esbuild';
import { NodeMember, TabMember } from './groups/members.ts';
import { startCluster } from './kafka/cluster.mjs';
import { KafkaUnavailable } from './kafka/java.mjs';
import { type Report, Round } from './kafka-cluster/round.ts';
import { GatewayProcess } from './support/gateway-process.ts';
import { Link } from './support/link.ts';
import { test } from './support/test.ts';

const ROUNDS = Number(process.env.E2E_ROUNDS ?? 1);
const PROTOCOL = process.env.E2E_PROTOCOL ?? 'auto';
const START_TIMEOUT_MS = 300_000;
const ROUND_TIMEOUT_MS = 300_000;

// A trace of many rounds would hold all of their frames.
test.use({ trace: 'off' });

const sourceOf = (name: string): string => fileURLToPath(new URL(`./groups/${name}.ts`, import.meta.url));

async function clusterOrSkip() {
  try {
    return await startCluster({ brokers: 3 });
  } catch (error) {
    if (!(error instanceof KafkaUnavailable) || process.env.REQUIRE_KAFKA === '1') throw error;
    return test.skip(true, error.message);
  }
}

test('brokers and gateways die and come back: every record is processed once and in order, and the group does not notice', async ({
  site,
  context,
}, testInfo) => {
  test.setTimeout(START_TIMEOUT_MS + ROUNDS * ROUND_TIMEOUT_MS);
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
  const dir = mkdtempSync(join(tmpdir(), 'dlog-cluster-'));
  const config = join(dir, 'dlog.json');
  writeFileSync(config, JSON.stringify({ kafka: { resumeSecret: randomUUID(), groupProtocol: PROTOCOL } }));
  const cluster = await clusterOrSkip();
  if (cluster === undefined) return;
  // One way to a gateway for the page, and one for each member's connection.
  const pages = await Link.open();
  const links = await Promise.all(Array.from({ length: 4 }, () => Link.open()));
  const origin = `http://127.0.0.1:${pages.port}`;
  const hosts = [pages, ...links].flatMap(({ port }) => ['--allowed-host', `127.0.0.1:${port}`]);
  const args = ['--config', config, '--static', site.dir, ...hosts, '--allowed-origin', origin];
  const one = await GatewayProcess.startOnKafka(cluster.bootstrap, args);
  const other = await GatewayProcess.startOnKafka(cluster.bootstrap, args);
  const client = new Client({ bootstrapServers: [one.url, other.url], clientId: 'e2e', reconnectBackoffMaxMs: 200 });
  pages.target = one.port;
  const [tab, first, second, third] = links.map((link, index) => {
    link.target = (index < 2 ? one : other).port;
    return index === 0
      ? new TabMember('tab', link, context, `${origin}${path}`)
      : new NodeMember(`node-${index}`, link, script);
  });
  const reports: Report[] = [];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const journal = testInfo.outputPath(`journal-${round + 1}.txt`);
      console.log(`round ${round + 1}/${ROUNDS}, journal: ${journal}`);
      const sides = [
        { gateway: one, members: [tab, first].filter((member) => member !== undefined) },
        { gateway: other, members: [second, third].filter((member) => member !== undefined) },
      ] as const;
      const name = `cluster-${round + 1}`;
      const report = await Round.play({ cluster, sides, client }, name, (text) => writeFileSync(journal, text));
      reports.push(report);
      console.log(`  ${told(report)}`);
    }
  } finally {
    if (reports.length > 1) console.log(`${reports.length} of ${ROUNDS} rounds are good`);
    await client.close();
    await Promise.all([one.dispose(), other.dispose()]);
    await Promise.all([pages, ...links].map((link) => link.close()));
    await cluster.close();
    rmSync(dir, { recursive: true });
  }
});

function told({ produced, again, pauses, looks, ms }: Report): string {
  const twice = Object.values(again).reduce((sum, count) => sum + count, 0);
  const longest = pauses
    .map(([what, pauseMs]) => `\n    ${seconds(pauseMs)} without records at most: ${what}`)
    .join('');
  return `${produced} records, ${twice} of them twice; commits looked at ${looks} times; ${seconds(ms)}${longest}`;
}
function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
