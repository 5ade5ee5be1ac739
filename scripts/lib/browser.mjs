// Finds a Chromium that launches: one that is there, else Playwright's download, else the system's package manager.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { installPackages, packageManager } from './packages.mjs';
import { done, run, StepError, say } from './steps.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome', 'microsoft-edge'];
const WELL_KNOWN = [
  '/usr/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];
const DOWNLOAD_TIMEOUT_MS = 180_000;

/** Flags every launch needs: root has no sandbox; the rest keeps Chromium from calling home. */
export const LAUNCH_ARGS = [
  ...(process.platform === 'linux' && (process.getuid?.() === 0 || process.env.CI) ? ['--no-sandbox'] : []),
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  '--no-first-run',
];

function installed(playwrightPath) {
  const onPath = (process.env.PATH ?? '').split(delimiter).flatMap((dir) => NAMES.map((name) => join(dir, name)));
  return [...new Set([process.env.CHROMIUM_PATH, playwrightPath, ...WELL_KNOWN, ...onPath])].filter(
    (path) => path && existsSync(path),
  );
}

async function launches(chromium, executablePath) {
  try {
    const browser = await chromium.launch({ executablePath, args: LAUNCH_ARGS });
    await browser.close();
    return true;
  } catch (error) {
    say(`${executablePath} does not launch: ${String(error.message).split('\n')[0]}`);
    return false;
  }
}

async function firstThatLaunches(chromium) {
  for (const path of installed(chromium.executablePath())) if (await launches(chromium, path)) return path;
  return undefined;
}

/** The path of a browser that launches. Installs one if it must; rejects with StepError saying what to do if it cannot. */
export async function ensureBrowser() {
  const { chromium } = await import('playwright');
  let path = await firstThatLaunches(chromium);
  if (path) return path;
  say('No Chromium here: trying Playwright’s download…');
  try {
    await run('npx', ['--no-install', 'playwright', 'install', 'chromium'], {
      silent: true,
      timeoutMs: DOWNLOAD_TIMEOUT_MS,
    });
    path = await firstThatLaunches(chromium);
  } catch (error) {
    say(`Playwright’s download failed (${error.message})`);
  }
  if (path) return path;
  const manager = packageManager();
  if (manager) {
    say(`Installing Chromium (${manager})…`);
    await installPackages(manager, ['chromium']);
    path = await firstThatLaunches(chromium);
  }
  if (!path) throw new StepError('No Chromium to test with: install one, or set CHROMIUM_PATH to its executable');
  done(`Chromium installed: ${path}`);
  return path;
}
