// One process per data directory: a socket in the directory that only a living process can listen on.
// Whatever ends the holder, kill -9 included, the kernel closes it, and no reused process id can pass for it. Knows nothing of logs.
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { LogError } from 'distributedlog/protocol';

/** sockaddr_un holds 104 bytes on some systems. */
const MAX_SOCKET_PATH_BYTES = 100;
/** A holder answers at once, unless it is stopped; then it still holds. */
const ANSWER_TIMEOUT_MS = 500;
const RETRY_DELAY_MS = 20;
const isLockFile = (file: string): boolean => /^lock-.*\.sock$/.test(file);

export interface DirectoryLock {
  /** Idempotent. */
  release(): Promise<void>;
}

/**
 * `dir` is absolute and exists. Throws KAFKA_STORAGE_ERROR naming the directory and the process that holds it.
 *
 * Everyone listens under a name of its own first and looks at the others afterwards: of two that start at once, at least one
 * sees the other. Of those that are still trying, the first by name goes on. A name is never used twice, so that a socket
 * nobody answers on can be removed without a race.
 */
export async function lockDirectory(dir: string): Promise<DirectoryLock> {
  const address = socketAddress(dir);
  const name = `lock-${process.pid}-${randomBytes(6).toString('hex')}.sock`;
  let holds = false;
  let server: Server | undefined;
  try {
    server = await listen(dir, address.of(name), () => `${process.pid} ${holds ? 'holds' : 'tries'}\n`);
    for (;;) {
      const rivals = await rivalsOf(dir, name, address);
      const first = rivals.find(({ state, file }) => state === 'holds' || (state === 'tries' && file < name));
      if (first !== undefined) throw held(dir, first.process);
      if (rivals.length === 0) break;
      await new Promise<void>((resolve) => setTimeout(resolve, RETRY_DELAY_MS));
    }
    holds = true;
    const listening = server;
    return { release: () => release(listening, address) };
  } catch (error) {
    if (server === undefined) address.dispose();
    else await release(server, address);
    throw error;
  }
}

function held(dir: string, holder: string): LogError {
  const message = `the data directory ${dir} is in use by ${holder}; stop it, or choose another directory`;
  return new LogError('KAFKA_STORAGE_ERROR', message, { retriable: false });
}

function listen(dir: string, path: string, answer: () => string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.end(answer());
    });
    server.unref();
    server.once('error', (error: NodeJS.ErrnoException) => {
      // Only where one name stands for the directory: see socketAddress.
      if (error.code === 'EADDRINUSE') return reject(held(dir, 'another process'));
      const message = `cannot lock the data directory ${dir}: ${error.message}`;
      reject(new LogError('KAFKA_STORAGE_ERROR', message, { cause: error, retriable: false }));
    });
    server.listen(path, () => resolve(server));
  });
}

function release(server: Server, address: SocketAddress): Promise<void> {
  return new Promise((resolve) => {
    if (!server.listening) return resolve();
    server.close(() => {
      address.dispose();
      resolve();
    });
  });
}

interface Rival {
  readonly file: string;
  readonly process: string;
  /** One that is stopped and does not answer holds; one that hangs up without an answer is just closing. */
  readonly state: 'holds' | 'tries' | 'leaves';
}

/** The others that are alive. Removes what killed ones left. */
async function rivalsOf(dir: string, own: string, address: SocketAddress): Promise<Rival[]> {
  if (address.isPipe) return [];
  const files = readdirSync(dir).filter((file) => isLockFile(file) && file !== own);
  const rivals = await Promise.all(files.map((file) => ask(file, address.of(file))));
  return rivals.flatMap((rival, i) => {
    if (rival !== undefined) return [rival];
    rmSync(join(dir, files[i] ?? ''), { force: true });
    return [];
  });
}

/** `undefined`: nobody listens there any more. */
function ask(file: string, path: string): Promise<Rival | undefined> {
  return new Promise((resolve) => {
    let answer = '';
    let connected = false;
    const socket = connect(path);
    const settle = (silence: Rival['state']): void => {
      clearTimeout(timeout);
      socket.destroy();
      const [, pid, state] = /^(\d+) (holds|tries)$/m.exec(answer) ?? [];
      if (!connected) resolve(undefined);
      else if (pid === undefined) resolve({ file, process: 'another process', state: silence });
      else resolve({ file, process: `process ${pid}`, state: state === 'tries' ? 'tries' : 'holds' });
    };
    const timeout = setTimeout(() => settle('holds'), ANSWER_TIMEOUT_MS);
    socket.setEncoding('utf8');
    socket.on('connect', () => {
      connected = true;
    });
    socket.on('data', (text: string) => {
      answer += text;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Anything else than "nobody listens" says that someone may: no right to connect, a full backlog.
      const nobody = error.code === 'ECONNREFUSED' || error.code === 'ENOENT';
      const silence = connected || nobody ? 'leaves' : 'holds';
      connected ||= !nobody;
      settle(silence);
    });
    socket.on('close', () => settle('leaves'));
  });
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
    return { isPipe: true, of: () => `\\\\.\\pipe\\dlog-${name}`, dispose: nothing };
  }
  const longest = join(dir, `lock-${2 ** 31}-0123456789ab.sock`);
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
