// Finds and ends whole trees of processes, so that a test that fails leaves none behind. Knows nothing of what they run.
import { execFileSync } from 'node:child_process';
import type { Browser, Page } from '@playwright/test';

/** The process and all that descend from it at this moment, also those in process groups of their own. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const line of execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')) {
    const [pid = 0, parent = 0] = line.trim().split(/\s+/).map(Number);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return tree;
}

/** False when there is no such process (any more). */
export function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}

export const stillRunning = (pids: readonly number[]): number[] => pids.filter((pid) => signal(pid, 0));

/** The processes that run the pages of this browser. */
export async function rendererPids(browser: Browser): Promise<number[]> {
  const cdp = await browser.newBrowserCDPSession();
  const { processInfo } = await cdp.send('SystemInfo.getProcessInfo');
  await cdp.detach();
  return processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
}

const BURN_MS = 200;
const BURNS = 10;
/** The process that runs this page: the one whose CPU time grows when the page is busy, since a browser does not say. */
export async function rendererOf(page: Page): Promise<number> {
  const browser = page.context().browser();
  if (browser === null) throw new Error('the page has no browser');
  const cdp = await browser.newBrowserCDPSession();
  const cpuTimes = async (): Promise<Map<number, number>> => {
    const { processInfo } = await cdp.send('SystemInfo.getProcessInfo');
    return new Map(processInfo.filter(({ type }) => type === 'renderer').map(({ id, cpuTime }) => [id, cpuTime]));
  };
  try {
    for (let burn = 0; burn < BURNS; burn++) {
      const before = await cpuTimes();
      await page.evaluate((ms) => {
        for (const end = performance.now() + ms; performance.now() < end; );
      }, BURN_MS);
      const grown = [...(await cpuTimes())].map(([pid, cpuTime]) => ({ pid, by: cpuTime - (before.get(pid) ?? 0) }));
      const [first, second] = grown.toSorted((a, b) => b.by - a.by);
      if (first !== undefined && first.by * 1_000 > BURN_MS / 4 && first.by > 4 * (second?.by ?? 0)) return first.pid;
    }
  } finally {
    await cdp.detach();
  }
  throw new Error('no process of the browser is busy when the page is');
}

/** Freezes the processes for as long as `work` takes. */
export async function withStopped<T>(pids: readonly number[], work: () => Promise<T>): Promise<T> {
  for (const pid of pids) signal(pid, 'SIGSTOP');
  try {
    return await work();
  } finally {
    for (const pid of pids) signal(pid, 'SIGCONT');
  }
}
