// Where members report: a WebSocket server in the test's process that gives the judge one order of events, and lets the scenario wait for them.
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { excerpt, line, type Told } from './journal.ts';
import { Judge } from './judge.ts';

/** What the group has committed for these partitions at this moment. */
export type Committed = (partitions: readonly number[]) => Promise<ReadonlyMap<number, number | null>>;

const TIMEOUT_MS = 20_000;
const RECENT = 60;
const OF_RECORDS = new Set(['produced', 'begin', 'end', 'committed']);

export class Court {
  readonly judge: Judge;
  readonly #server: WebSocketServer;
  readonly #committed: Committed;
  /** Latest life of each name. */
  readonly #lives = new Map<string, string>();
  /** Lives whose last word has not been heard yet. */
  readonly #present = new Map<string, Promise<void>>();
  /** Lives whose next 'begin' is not answered until it is released. */
  readonly #holds = new Map<string, (release: () => void) => void>();
  readonly #looks = new Set<() => void>();
  #failure: Error | undefined;

  private constructor(partitions: number, committed: Committed, server: WebSocketServer) {
    this.judge = new Judge(partitions, Date.now);
    this.#committed = committed;
    this.#server = server;
    server.on('connection', (socket) => this.#hear(socket));
  }
  static async open(partitions: number, committed: Committed): Promise<Court> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await new Promise((resolve) => server.once('listening', resolve));
    return new Court(partitions, committed, server);
  }
  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #hear(socket: WebSocket): void {
    let life = '';
    let turn = Promise.resolve();
    const gone = new Promise<void>((resolve) => {
      socket.on('close', () => {
        turn = turn.then(() => {
          if (life !== '') {
            this.#present.delete(life);
            this.did({ type: 'gone', life });
          }
          resolve();
        });
      });
    });
    const take = async (event: Told): Promise<void> => {
      if (event.type === 'hello') {
        const earlier = this.life(event.name);
        await this.#present.get(earlier);
        life = `${event.name}.${Number(earlier.split('.')[1]) + 1}`;
        this.#lives.set(event.name, life);
        this.#present.set(life, gone);
      }
      const committed = event.type === 'assigned' ? await this.#committed(event.partitions) : undefined;
      this.judge.hear(life, event, committed);
      const hold = event.type === 'begin' ? this.#holds.get(life) : undefined;
      this.#holds.delete(hold === undefined ? '' : life);
      const answer = (): void => socket.send('{}');
      if (hold === undefined) answer();
      else hold(answer);
      this.#changed();
    };
    socket.on('error', () => undefined);
    socket.on('message', (data) => {
      const event: Told = JSON.parse(String(data));
      // In the order of arrival; only what waits for the commits of the group holds up what the same member says after it.
      turn = turn.then(() => take(event)).catch((error: unknown) => this.fail(error));
    });
  }
  /** Something else went wrong: whoever waits hears of it. */
  fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
    this.#changed();
  }
  #changed(): void {
    for (const look of [...this.#looks]) look();
  }

  /** The present life of this member. */
  life(name: string): string {
    return this.#lives.get(name) ?? `${name}.0`;
  }
  isPresent(name: string): boolean {
    return this.#present.has(this.life(name));
  }
  did(event: Parameters<Judge['did']>[0]): void {
    this.judge.did(event);
    this.#changed();
  }
  /** Resolves in the middle of this life's next record, with how to let it go on. */
  inHand(life: string): Promise<() => void> {
    return new Promise((resolve) => this.#holds.set(life, resolve));
  }
  /** Resolves once `holds` is true after something was heard; rejects with the journal once something is wrong, or when it takes too long. */
  until(what: string, holds: () => boolean, timeoutMs = TIMEOUT_MS): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        this.#looks.delete(look);
        settle();
      };
      const look = (): void => {
        try {
          this.check();
          if (holds()) end(resolve);
        } catch (error) {
          end(() => reject(error));
        }
      };
      const timer = setTimeout(() => {
        end(() => reject(new Error(`not within ${timeoutMs} ms: ${what}\n${this.recent()}`)));
      }, timeoutMs);
      this.#looks.add(look);
      look();
    });
  }
  /** Throws what is wrong so far. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
    const { entries, firstWrong } = this.judge;
    if (firstWrong === undefined) return;
    throw new Error(`not allowed: ${entries[firstWrong]?.remark}\n${excerpt(entries, firstWrong)}`);
  }
  /** What was heard last, records aside. */
  recent(): string {
    const entries = this.judge.entries.filter(({ event }) => !OF_RECORDS.has(event.type)).slice(-RECENT);
    return `the last that was heard:\n${entries.map(line).join('\n')}`;
  }
  journal(): string {
    return this.judge.entries.map(line).join('\n');
  }

  async close(): Promise<void> {
    for (const client of this.#server.clients) client.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
