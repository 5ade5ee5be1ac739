// What this process has started and must not leave behind: process groups, containers, directories. A second process
// (reaper.mjs) ends them when this one is gone, also by kill -9; neither knows what they are for.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const REAPER = fileURLToPath(new URL('reaper.mjs', import.meta.url));

/** @typedef {{ group: number } | { container: string } | { dir: string }} Thing */

export class Owned {
  #reaper;

  constructor() {
    // A session of its own, so that Ctrl-C in a terminal does not reach it; the pipe tells it of our end.
    this.#reaper = spawn(process.execPath, [REAPER], { detached: true, stdio: ['pipe', 'ignore', 'inherit'] });
    this.#reaper.unref();
    /** @type {import('node:net').Socket} */ (this.#reaper.stdin).unref();
    // Killed by somebody: then nobody cleans up after us, and nothing else changes.
    this.#reaper.stdin.on('error', () => undefined);
  }

  /** @param {Thing} thing */
  add(thing) {
    this.#reaper.stdin.write(`${JSON.stringify({ add: thing })}\n`);
  }
  /** It has ended by itself. @param {Thing} thing */
  done(thing) {
    this.#reaper.stdin.write(`${JSON.stringify({ done: thing })}\n`);
  }

  /**
   * `spawn` in a process group of its own, owned until it exits.
   * @param {string} command
   * @param {readonly string[]} args
   * @param {import('node:child_process').SpawnOptions} options
   */
  spawn(command, args, options) {
    const child = spawn(command, args, { ...options, detached: true });
    const { pid } = child;
    if (pid !== undefined) {
      this.add({ group: pid });
      child.once('exit', () => this.done({ group: pid }));
    }
    return child;
  }

  /** Ends what is left, and resolves when it is gone. */
  close() {
    return new Promise((resolve) => {
      if (this.#reaper.exitCode !== null || this.#reaper.signalCode !== null) return resolve(undefined);
      this.#reaper.ref();
      this.#reaper.once('exit', resolve);
      this.#reaper.stdin.end();
    });
  }
}
