// Members as the scenario handles them: tabs of one browser and Node processes, with what can befall them. Knows nothing of what is judged.
import { type ChildProcess, fork } from 'node:child_process';
import type { BrowserContext, Page } from '@playwright/test';
import { Link } from '../support/link.ts';
import { rendererOf, signal } from '../support/processes.ts';
import type { MemberSettings } from './member.ts';

const PARK_MS = 2_000;

export type Placed = Omit<MemberSettings, 'bootstrap'>;
export interface Member {
  readonly name: string;
  /** Its way to the gateway, nobody else's. */
  readonly link: Link;
  start(settings: Placed): Promise<void>;
  /** Resolves when it has left the group and is gone. */
  leave(): Promise<void>;
  /** Gone, without a word. */
  dispose(): Promise<void>;
}

export class NodeMember implements Member {
  readonly name: string;
  readonly link: Link;
  readonly #script: string;
  #child: ChildProcess | undefined;

  constructor(name: string, link: Link, script: string) {
    this.name = name;
    this.link = link;
    this.#script = script;
  }
  async start(placed: Placed): Promise<void> {
    const settings: MemberSettings = { ...placed, bootstrap: `ws://127.0.0.1:${this.link.port}` };
    this.#child = fork(this.#script, [JSON.stringify(settings)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }
  async leave(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.send('leave');
    await exited;
    this.#child = undefined;
  }
  /** SIGKILL. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
    this.#child = undefined;
  }
  dispose(): Promise<void> {
    return this.kill();
  }
}

export class TabMember implements Member {
  readonly name: string;
  readonly link: Link;
  readonly #context: BrowserContext;
  readonly #path: string;
  #page: Page | undefined;
  /** The process that runs it. */
  #pid = 0;

  constructor(name: string, link: Link, context: BrowserContext, path: string) {
    this.name = name;
    this.link = link;
    this.#context = context;
    this.#path = path;
  }
  async start(placed: Placed): Promise<void> {
    const settings: MemberSettings = { ...placed, bootstrap: `ws://127.0.0.1:${this.link.port}` };
    const page = await this.#context.newPage();
    this.#page = page;
    await page.goto(`${this.#path}?settings=${encodeURIComponent(JSON.stringify(settings))}`);
  }
  async #leave(page: Page): Promise<void> {
    await page.evaluate(async () => (await window.member).leave());
    await page.close();
  }
  async leave(): Promise<void> {
    const page = this.#page;
    if (page === undefined) return;
    await this.#leave(page);
    this.#page = undefined;
  }
  /** F5. */
  async reload(): Promise<void> {
    await this.#page?.reload();
  }
  /** Finds out what `freeze` will stop. */
  async locate(): Promise<void> {
    if (this.#page === undefined) throw new Error(`${this.name} is not open`);
    this.#pid = await rendererOf(this.#page);
  }
  /**
   * SIGSTOP to the renderer, in the middle of a task that is none of the member's: never between the consumer handing a record
   * out and the member saying so, which no judge could tell from a record handed out after the freeze.
   */
  async freeze(): Promise<void> {
    const page = this.#page;
    if (page === undefined) throw new Error(`${this.name} is not open`);
    const parked = page.waitForEvent('console', (message) => message.text() === 'parked');
    let over = false;
    const ended = page
      .evaluate((ms) => {
        console.log('parked');
        for (const end = performance.now() + ms; performance.now() < end; );
      }, PARK_MS)
      // Only once it is thawed, or closed.
      .then(
        () => {
          over = true;
        },
        () => undefined,
      );
    await Promise.race([parked, ended]);
    if (!signal(this.#pid, 'SIGSTOP')) throw new Error(`${this.name} runs in another process by now`);
    if (over) throw new Error(`${this.name} was not stopped in time`);
  }
  thaw(): void {
    if (this.#pid !== 0) signal(this.#pid, 'SIGCONT');
  }
  async dispose(): Promise<void> {
    this.thaw();
    await this.#page?.close();
  }
}
