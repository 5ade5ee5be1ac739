// One process per data directory: a socket in the directory that only a living process can listen on.
// Whatever ends the holder, kill -9 included, the kernel closes it, and no reused process id can pass for it. Knows nothing of logs.
import { createHash } from 'node:crypto';
import { closeSync, openSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { LogError } from 'distributedlog/protocol';

const LOCK_FILE = 'lock.sock';
/** sockaddr_un holds 104 bytes on some systems. */
const MAX_SOCKET_PATH_BYTES = 100;
/** The holder answers with its process id; it is only for the message, so do not wait long. */
const ANSWER_TIMEOUT_MS = 500;
const ATTEMPTS = 5;

export interface DirectoryLock {
  /** Idempotent. */
  release(): Promise<void>;
}

/** `dir` is absolute and exists. Throws KAFKA_STORAGE_ERROR naming the directory and the process that holds it. */
export async function lockDirectory(dir: string): Promise<DirectoryLock> {
  const address = socketAddress(dir);
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const server = await listen(dir, address.of(LOCK_FILE));
      if (server !== undefined) return { release: () => release(server, address) };
      const holder = await holderOf(address.of(LOCK_FILE));
      if (holder !== undefined) throw held(dir, holder);
      await clearStale(dir, address);
    }
    throw held(dir, 'several processes that start at once');
  } catch (error) {
    address.dispose();
    throw error;
  }
}

function held(dir: string, holder: string): LogError {
  const message = `the data directory ${dir} is in use by ${holder}; stop it, or choose another directory`;
  return new LogError('KAFKA_STORAGE_ERROR', message, { retriable: false });
}

/** `undefined`: the address is taken, by someone alive or by what a killed process left. */
function listen(dir: string, path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.end(`${process.pid}\n`);
    });
    server.unref();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') return resolve(undefined);
      const message = `cannot lock the data directory ${dir}: ${error.message}`;
      reject(new LogError('KAFKA_STORAGE_ERROR', message, { cause: error, retriable: false }));
    });
    server.listen(path, () => resolve(server));
  });
}

function release(server: Server, address: SocketAddress): Promise<void> {
  return new Promise((resolve) => {
    // An error here says that it is closed already.
    server.close(() => {
      address.dispose();
      resolve();
    });
  });
}

/** Who listens there: "process N"; `undefined` if nobody does. */
function holderOf(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let answer = '';
    let connected = false;
    const socket = connect(path);
    const settle = (): void => {
      clearTimeout(timeout);
      socket.destroy();
      const pid = Number.parseInt(answer, 10);
      resolve(connected ? (Number.isNaN(pid) ? 'another process' : `process ${pid}`) : undefined);
    };
    const timeout = setTimeout(settle, ANSWER_TIMEOUT_MS);
    socket.setEncoding('utf8');
    socket.on('connect', () => {
      connected = true;
    });
    socket.on('data', (text: string) => {
      answer += text;
    });
    socket.on('error', settle);
    socket.on('close', settle);
  });
}

/** Moves what a killed process left out of the way. Looks again after the move, since another process may have taken the lock in between. */
async function clearStale(dir: string, address: SocketAddress): Promise<void> {
  if (address.isPipe) return;
  const aside = `${LOCK_FILE}.${process.pid}.${Date.now()}`;
  try {
    renameSync(join(dir, LOCK_FILE), join(dir, aside));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  const holder = await holderOf(address.of(aside));
  if (holder === undefined) rmSync(join(dir, aside), { force: true });
  else renameSync(join(dir, aside), join(dir, LOCK_FILE));
}

interface SocketAddress {
  readonly isPipe: boolean;
  of(file: string): string;
  dispose(): void;
}

function socketAddress(dir: string): SocketAddress {
  const nothing = (): void => undefined;
  if (process.platform === 'win32') {
    const name = createHash('sha256').update(dir.toLowerCase()).digest('hex').slice(0, 32);
    return { isPipe: true, of: (file) => `\\\\.\\pipe\\dlog-${name}-${file}`, dispose: nothing };
  }
  const longest = join(dir, `${LOCK_FILE}.${2 ** 31}.${Date.now()}`);
  if (Buffer.byteLength(longest) <= MAX_SOCKET_PATH_BYTES)
    return { isPipe: false, of: (file) => join(dir, file), dispose: nothing };
  if (process.platform !== 'linux')
    throw new LogError(
      'INVALID_CONFIG',
      `the path of the data directory is too long: ${Buffer.byteLength(dir)} bytes; at most ${MAX_SOCKET_PATH_BYTES - (longest.length - dir.length)} are possible here`,
    );
  // A short name for the same directory, as long as this process has it open.
  const handle = openSync(dir, 'r');
  return {
    isPipe: false,
    of: (file) => `/proc/self/fd/${handle}/${file}`,
    dispose: () => closeSync(handle),
  };
}
