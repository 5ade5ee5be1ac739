// Looks through a store in a process of its own, because a damaged file ends the process that reads it. Knows nothing of topics.
import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { LogError } from 'distributedlog/protocol';
import { STORE_FILE, TABLES } from './store.ts';

/** How long a store is looked through, ms, whatever its size: 2 s read about 8 million keys, or some 5 GB that the system has in memory. */
const AFTER_CLEAN_END_MS = 200;
const AFTER_UNCLEAN_END_MS = 2_000;
/** A disk that does not answer for so long will not let the log work either. */
const TIMEOUT_MS = 120_000;

// Runs with `node -e`, so that it is the same whether this module was compiled or is being tested from its source.
// Arguments: path of lmdb, directory, tables (JSON), whether to read values too, milliseconds to spend. The smallest size the file must have to be complete is derived.
const PROGRAM = `
const [library, dir, tables, values, milliseconds] = process.argv.slice(1);
const { statSync } = require('node:fs');
const { open } = require(library);
const complain = (message) => { process.stdout.write(message); process.exit(3); };
try {
  const options = { encoding: 'binary', keyEncoding: 'binary' };
  const root = open({ path: dir, noSubdir: false, readOnly: true, maxDbs: 32, ...options });
  const { lastPageNumber, pageSize } = root.getStats();
  const size = statSync(dir + '/data.mdb').size;
  const needed = (lastPageNumber + 1) * pageSize;
  if (size < needed) complain('it has ' + size + ' bytes of ' + needed);
  const deadline = performance.now() + Number(milliseconds);
  let looked = 0;
  for (const name of JSON.parse(tables)) {
    const table = root.openDB({ name, ...options });
    if (table === undefined) continue;
    for (const key of table.getKeys({ reverse: true })) {
      if (values === 'true') table.getBinaryFast(key);
      if (++looked % 64 === 0 && performance.now() > deadline) break;
    }
  }
  process.exit(0);
} catch (error) {
  complain(String(error && error.message));
}
`;

/**
 * Resolves when the store in `dir` can be read, or there is none. What is looked at is the newest, since that was written last.
 * `thorough`: values too, and for longer. Throws KAFKA_STORAGE_ERROR naming the file and what to do.
 */
export async function checkStore(dir: string, options: { readonly thorough: boolean }): Promise<void> {
  const file = join(dir, STORE_FILE);
  if (!existsSync(file)) return;
  // What a process leaves that was killed before its first write: there is nothing in it to lose, and the store is made anew.
  if (statSync(file).size === 0) return;
  const outcome = await run([
    createRequire(import.meta.url).resolve('lmdb'),
    dir,
    // What is small and must be right comes first; of the records, as much as the time allows.
    JSON.stringify([...Object.values(TABLES).filter((table) => table !== TABLES.batches), TABLES.batches]),
    String(options.thorough),
    String(options.thorough ? AFTER_UNCLEAN_END_MS : AFTER_CLEAN_END_MS),
  ]);
  if (outcome === undefined) return;
  const message = `the store ${file} is damaged (${outcome}): restore the directory from a backup, or move it away to begin with an empty log`;
  throw new LogError('KAFKA_STORAGE_ERROR', message, { retriable: false });
}

/** `undefined`: all is well; else what is wrong. */
function run(args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-e', PROGRAM, ...args], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    let said = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text: string) => {
      said += text;
    });
    const timeout = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
    child.on('error', (error) => {
      clearTimeout(timeout);
      const message = `cannot start the check of the store: ${error.message}`;
      reject(new LogError('KAFKA_STORAGE_ERROR', message, { cause: error, retriable: false }));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timeout);
      if (code === 0) resolve(undefined);
      else resolve(said !== '' ? said : `reading it ends with ${signal ?? `exit code ${code}`}`);
    });
  });
}
