// `npm start`: installs and builds what is missing, runs the gateway on the embedded log with the dashboard on its own
// port, and feeds it this machine's live telemetry. Ctrl-C stops all of it cleanly.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, checkNode, done, fail, install, root, StepError, say, stopCleanlyOnSignals } from './lib/steps.mjs';

const HELP = `npm start -- [options]

Runs the gateway on the embedded log, serves the dashboard and feeds it this machine's telemetry.

  --port N       port of the gateway and the dashboard (default 9192; 0: any free one)
  --data DIR     where the log lives; it survives restarts (default .data)
  --no-telemetry serve an empty log
  --help         this text`;

function options() {
  try {
    return parseArgs({
      allowNegative: true,
      options: {
        port: { type: 'string', default: '9192' },
        data: { type: 'string', default: join(root, '.data') },
        telemetry: { type: 'boolean', default: true },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return fail(error.message, 'npm start -- --help lists the options');
  }
}

const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 15_000;

/** A child in its own process group, so that a terminal's Ctrl-C reaches only us and each child is stopped once, in order. */
function start(name, args, onLine) {
  const child = spawn(process.execPath, args, { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  let rest = '';
  child.stdout.on('data', (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
  const exited = new Promise((resolve) => child.on('exit', (code, signal) => resolve({ name, code, signal })));
  return { name, child, exited };
}

async function stop({ child, exited }) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}

async function serve(values) {
  const bin = join(root, 'gateway/bin/dlog.js');
  let ready;
  const isReady = new Promise((resolve) => {
    ready = resolve;
  });
  say(`Starting the gateway on the embedded log in ${values.data}`);
  const gateway = start(
    'gateway',
    [
      bin,
      'gateway',
      '--data',
      values.data,
      '--port',
      values.port,
      '--static',
      join(root, 'examples/web/dist'),
      '--log-level',
      'warn',
    ],
    (line) => {
      const address = /\bws(s?:\/\/[^\s,]+)/.exec(line);
      if (address) ready(`http${address[1]}`);
      else console.log(line);
    },
  );
  const children = [gateway];
  let stopping;
  const stopAll = () => {
    stopping ??= (async () => {
      for (const child of children.toReversed()) await stop(child);
    })();
    return stopping;
  };
  process.removeAllListeners('SIGINT');
  process.removeAllListeners('SIGTERM');
  let signalled = false;
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      if (signalled) {
        for (const { child } of children) child.kill('SIGKILL');
        process.exit(130);
      }
      signalled = true;
      say('Stopping… (again to stop at once)');
      void stopAll().then(() => done('Stopped. The log stays where it is.'));
    });
  }
  process.on('exit', () => {
    for (const { child } of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
  });

  const timeout = new Promise((resolve) => setTimeout(resolve, READY_TIMEOUT_MS, 'timeout').unref());
  const first = await Promise.race([isReady, gateway.exited, timeout]);
  if (signalled) return void (await stopAll());
  if (typeof first !== 'string') throw new StepError('The gateway did not start; its message is above');
  if (first === 'timeout') {
    await stopAll();
    throw new StepError(`The gateway was not ready after ${READY_TIMEOUT_MS / 1000} s`);
  }
  if (values.telemetry) {
    children.push(
      start('telemetry', [join(root, 'scripts/telemetry.mjs'), '--gateway', first], (line) => console.log(line)),
    );
  }
  done(`Dashboard: ${first}   (Ctrl-C stops)`);

  const ended = await Promise.race(children.map(({ exited }) => exited));
  await stopAll();
  if (!signalled)
    throw new StepError(
      `The ${ended.name} ended by itself (${ended.signal ?? `exit code ${ended.code}`}); its message is above`,
    );
}

const values = options();
if (values.help) {
  console.log(HELP);
} else {
  stopCleanlyOnSignals();
  try {
    checkNode();
    await install();
    await build();
    await serve(values);
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    if (error.message !== 'interrupted') fail(error.message);
  }
}
