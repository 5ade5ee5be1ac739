// What the repository's own commands share: saying what they do, running a tool, and failing with one clear line.
// Plain JavaScript without dependencies, since it must run before anything is installed.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

const color = (code, text) => (process.stdout.isTTY ? `\u001b[${code}m${text}\u001b[0m` : text);
export const say = (text) => console.log(`${color(36, '▸')} ${text}`);
export const done = (text) => console.log(`${color(32, '✔')} ${text}`);
export const seconds = (sinceMs) => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;

/** Ends the process with one line; `hint` says what to do about it. */
export function fail(text, hint) {
  console.error(`${color(31, '✖')} ${text}${hint ? ` — ${hint}` : ''}`);
  process.exit(1);
}

export class StepError extends Error {}

const running = new Set();
let interrupted = false;

/** Passes Ctrl-C and SIGTERM on to what `run` has started, and then exits: 130 and 143, as shells expect. */
export function stopCleanlyOnSignals() {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ]) {
    process.on(signal, () => {
      if (interrupted) process.exit(code);
      interrupted = true;
      console.error(`\nstopping (${signal})…`);
      if (running.size === 0) process.exit(code);
      // From a terminal the children have the signal already; from `kill` they have not. Twice is harmless here.
      for (const child of running) child.kill(signal);
      process.exitCode = code;
    });
  }
}

/** Runs a command in the repository; rejects with StepError naming it. `quiet` shows output only if it fails, `silent` never. */
export function run(command, args, { quiet = false, silent = false, env = {}, cwd = root, timeoutMs = 0 } = {}) {
  return new Promise((resolvePromise, reject) => {
    if (interrupted) return reject(new StepError('interrupted'));
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: quiet || silent ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
      shell: process.platform === 'win32',
    });
    running.add(child);
    let output = '';
    const keep = (chunk) => {
      output = (output + chunk).slice(-200_000);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    const timer = timeoutMs > 0 ? setTimeout(() => child.kill('SIGKILL'), timeoutMs) : undefined;
    child.on('error', (error) => {
      running.delete(child);
      clearTimeout(timer);
      reject(new StepError(`${command}: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      running.delete(child);
      clearTimeout(timer);
      if (interrupted) return reject(new StepError('interrupted'));
      if (code === 0) return resolvePromise(output);
      if (quiet && !silent) process.stderr.write(output);
      reject(
        new StepError(`${[command, ...args].join(' ')} ${signal ? `was killed by ${signal}` : `exited with ${code}`}`),
      );
    });
  });
}

/** Runs main and turns whatever it rejects with into one line and exit code 1. */
export function main(body) {
  stopCleanlyOnSignals();
  body().catch((error) => {
    if (interrupted) process.exit(process.exitCode ?? 130);
    if (error instanceof StepError) fail(error.message);
    console.error(error);
    process.exit(1);
  });
}

export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    fail(`Node ${process.versions.node} is too old`, 'install Node 20.19 or newer');
}

const hashFiles = (files) => {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  return hash.digest('hex');
};
function walk(path, found = []) {
  if (!existsSync(path)) return found;
  if (statSync(path).isFile()) {
    found.push(path);
    return found;
  }
  for (const name of readdirSync(path).sort()) {
    if (name === 'node_modules' || name === 'dist' || name.endsWith('.test.ts')) continue;
    walk(join(path, name), found);
  }
  return found;
}

/** Whether the named inputs differ from when `remember` was last called for this stamp. */
export function stampOf(name, inputs) {
  const digest = hashFiles(inputs.flatMap((input) => walk(join(root, input))));
  const path = join(root, 'node_modules', '.cache', 'distributedlog', name);
  return {
    fresh: existsSync(path) && readFileSync(path, 'utf8') === digest,
    remember() {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, digest);
    },
  };
}

/** `npm ci` unless node_modules is what the lockfile says. */
export async function install() {
  const stamp = stampOf('install', ['package-lock.json']);
  if (stamp.fresh && existsSync(join(root, 'node_modules', 'typescript'))) return;
  const started = performance.now();
  say('Installing dependencies (npm ci)…');
  await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { quiet: true });
  stamp.remember();
  done(`Dependencies installed in ${seconds(started)}`);
}

/** Compiles every package and bundles the dashboard; each part only if its inputs changed. */
export async function build({ force = false } = {}) {
  const packages = stampOf('build', [
    'src',
    'gateway/src',
    'gateway/tsconfig.json',
    'tsconfig.base.json',
    'tsconfig.json',
    'package-lock.json',
  ]);
  if (
    force ||
    !packages.fresh ||
    !existsSync(join(root, 'dist/index.js')) ||
    !existsSync(join(root, 'gateway/dist/index.js'))
  ) {
    const started = performance.now();
    say('Building the SDK and the gateway (tsc -b)…');
    await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b', ...(force ? ['--force'] : [])], {
      quiet: true,
    });
    packages.remember();
    done(`SDK and gateway built in ${seconds(started)}`);
  }
  const web = stampOf('web', ['src', 'examples/web', 'package-lock.json']);
  if (force || !web.fresh || !existsSync(join(root, 'examples/web/dist/index.html'))) {
    const started = performance.now();
    say('Bundling the dashboard (vite build)…');
    await run('npm', ['run', 'build', '-w', 'examples/web', '--silent'], { quiet: true });
    web.remember();
    done(`Dashboard bundled in ${seconds(started)}`);
  }
}
