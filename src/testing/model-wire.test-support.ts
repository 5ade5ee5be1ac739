// The way of one client to a gateway in memory, as a model of faults needs it: it can be refused, held up, or die with its process. Knows nothing of what the frames say.
import type { Connection, ConnectionHandlers, Transport } from '../core/index.ts';

export class Wire implements Transport {
  readonly name = 'model';
  readonly defaultServer: string;
  readonly defaultScheme: 'ws' | 'wss';
  /** true: nobody listens. */
  refusing = false;
  readonly #inner: Transport;
  #dead = false;
  /** While it is held up: what is to happen afterwards, in order. */
  #held: (() => void)[] | undefined;

  constructor(inner: Transport) {
    this.#inner = inner;
    this.defaultServer = inner.defaultServer;
    this.defaultScheme = inner.defaultScheme;
  }

  /** The process is gone: neither end hears of the other again. */
  die(): void {
    this.#dead = true;
    this.#held = undefined;
  }
  /** As a cable that is pulled, and later plugged in again before anyone noticed: then all of it arrives. */
  hold(on: boolean): void {
    if (this.#dead || on === (this.#held !== undefined)) return;
    if (on) this.#held = [];
    // What is said meanwhile comes after it.
    for (let pass = this.#held?.shift(); !on && pass !== undefined; pass = this.#held?.shift()) pass();
    if (!on) this.#held = undefined;
  }

  dial(url: string, protocol: string, handlers: ConnectionHandlers): Connection {
    const back = (pass: () => void): void => this.#pass(pass);
    if (this.#dead || this.refusing) {
      let told = false;
      const refuse = (): void => {
        if (told) return;
        told = true;
        handlers.onClose({ code: 1006, reason: 'refused' });
      };
      if (!this.#dead) queueMicrotask(refuse);
      return { send: () => undefined, bufferedBytes: 0, close: () => queueMicrotask(refuse) };
    }
    const inner = this.#inner.dial(url, protocol, {
      onOpen: () => back(() => handlers.onOpen()),
      onFrame: (frame) => back(() => handlers.onFrame(frame)),
      onClose: (close) => back(() => handlers.onClose(close)),
    });
    return {
      send: (frame) => back(() => inner.send(frame)),
      get bufferedBytes() {
        return inner.bufferedBytes;
      },
      close: (code, reason) => back(() => inner.close(code, reason)),
    };
  }
  #pass(pass: () => void): void {
    if (this.#dead) return;
    if (this.#held === undefined) pass();
    else this.#held.push(pass);
  }
}
