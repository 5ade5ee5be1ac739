// What a page keeps over its reload, with storage, locks and page events that work as a browser's do, in memory.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { claimKeepsake } from './keepsake.ts';

/** The locks of a browser: one owner a name, who waits is served in order. */
class Locks {
  readonly #queues = new Map<string, (() => void)[]>();

  /** Requests that others keep waiting. */
  get waiting(): number {
    return [...this.#queues.values()].reduce((sum, queue) => sum + queue.length, 0);
  }

  request(
    name: string,
    { ifAvailable = false, signal }: LockOptions,
    use: (lock: object | null) => Promise<void>,
  ): Promise<void> {
    const queue = this.#queues.get(name);
    if (queue !== undefined && ifAvailable) return use(null);
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        const end = (): void => {
          const next = this.#queues.get(name)?.shift();
          if (next === undefined) this.#queues.delete(name);
          else next();
          resolve();
        };
        use({}).then(end, end);
      };
      if (queue === undefined) {
        this.#queues.set(name, []);
        queueMicrotask(begin);
        return;
      }
      queue.push(begin);
      signal?.addEventListener('abort', () => {
        const at = queue.indexOf(begin);
        if (at < 0) return;
        queue.splice(at, 1);
        reject(signal.reason);
      });
    });
  }
}

class Tab {
  readonly items: Map<string, string>;
  readonly locks: Locks;
  window = new EventTarget();
  loadedAt: number;

  constructor(loadedAt: number, locks = new Locks(), items: ReadonlyMap<string, string> = new Map()) {
    this.loadedAt = loadedAt;
    this.locks = locks;
    this.items = new Map(items);
  }
  /** Globals are this tab's from now on. */
  enter(): void {
    const { items, window } = this;
    vi.stubGlobal('sessionStorage', {
      getItem: (name: string) => items.get(name) ?? null,
      setItem: (name: string, value: string) => items.set(name, value),
      removeItem: (name: string) => items.delete(name),
    });
    vi.stubGlobal('navigator', { locks: this.locks });
    vi.stubGlobal('performance', { timeOrigin: this.loadedAt, now: () => 0 });
    vi.stubGlobal('addEventListener', window.addEventListener.bind(window));
    vi.stubGlobal('removeEventListener', window.removeEventListener.bind(window));
  }
  fire(type: 'pagehide' | 'pageshow'): void {
    this.window.dispatchEvent(Object.assign(new Event(type), { persisted: true }));
  }
  /** The old page hears that it goes, and a new one is there. */
  reload(): void {
    this.fire('pagehide');
    this.window = new EventTarget();
    this.loadedAt++;
    this.enter();
  }
}

let tab: Tab;
async function open(given = new Tab(1_000)): Promise<Tab> {
  tab = given;
  tab.enter();
  return tab;
}
async function claim(key = 'g') {
  const slot = await claimKeepsake(key);
  if (slot === undefined) throw new Error('no slot');
  return slot;
}

/** Promises and locks need no time: everything that can happen has happened a turn later. */
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('a keepsake', () => {
  it('is there after a reload, and again after the next', async () => {
    await open();
    const first = await claim();
    expect(first.saved).toBeUndefined();
    first.save('one');
    tab.reload();
    const second = await claim();
    expect(second.saved).toBe('one');
    tab.reload();
    const third = await claim();
    expect(third.saved).toBe('one');
    third.save(undefined);
    tab.reload();
    expect((await claim()).saved).toBeUndefined();
  });

  it('is one for each consumer of a page, found again in the same order', async () => {
    await open();
    const [a, b] = await Promise.all([claim(), claim()]);
    a.save('a');
    b.save('b');
    (await claim('other')).save('c');
    tab.reload();
    const again = await Promise.all([claim(), claim(), claim(), claim('other')]);
    expect(again.map(({ saved }) => saved)).toEqual(['a', 'b', undefined, 'c']);
  });

  it('that was released stays for the next who asks, here or after a reload', async () => {
    await open();
    const first = await claim();
    first.save('kept');
    first.release();
    first.release();
    const second = await claim();
    expect(second.saved).toBe('kept');
    second.save(undefined);
    second.release();
    expect([...tab.items]).toEqual([]);
  });

  it('is not a duplicated tab’s, which has a copy of it: that one gets a place of its own after a second', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
      const abort = new AbortController();
      setTimeout(() => abort.abort(), ms);
      return abort.signal;
    });
    const original = await open();
    const slot = await claim();
    slot.save('mine');
    const copy = await open(new Tab(2_000, original.locks, original.items));
    let claimed: string | null | undefined = null;
    const claiming = claim().then((found) => {
      claimed = found.saved;
      return found;
    });
    await vi.advanceTimersByTimeAsync(999);
    expect(claimed).toBeNull();
    await vi.advanceTimersByTimeAsync(1);
    const own = await claiming;
    expect(own.saved).toBeUndefined();
    own.save('its own');
    // From now on it has no need to wait, and the first tab's is untouched.
    copy.reload();
    expect((await claim()).saved).toBe('its own');
    original.enter();
    original.reload();
    expect((await claim()).saved).toBe('mine');
  });

  it('waits for the page before the reload, which may let go a little late', async () => {
    const before = await open();
    (await claim()).save('one');
    const hidden = before.window;
    before.window = new EventTarget();
    before.loadedAt++;
    before.enter();
    const claiming = claim();
    await settled();
    expect(before.locks.waiting).toBe(1);
    hidden.dispatchEvent(new Event('pagehide'));
    expect((await claiming).saved).toBe('one');
  });

  it('holds no lock while its page is in the back/forward cache, and goes on when the page is shown again', async () => {
    await open();
    const slot = await claim();
    slot.save('before');
    tab.fire('pagehide');
    slot.save('hidden');
    expect(tab.items.get('distributedlog:g:0')).toContain('before');
    await settled();
    tab.fire('pageshow');
    slot.save('soon');
    await settled();
    expect(tab.items.get('distributedlog:g:0')).toContain('soon');
    slot.save('after');
    tab.reload();
    expect((await claim()).saved).toBe('after');
  });

  it('is dead for a page that comes back and finds another owner', async () => {
    await open();
    const slot = await claim();
    slot.save('old');
    const { window } = tab;
    tab.reload();
    (await claim()).save('new');
    window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
    await settled();
    slot.save('too late');
    slot.release();
    tab.reload();
    expect((await claim()).saved).toBe('new');
  });

  it('does without what is not there: storage, locks', async () => {
    expect(await claimKeepsake('g')).toBeUndefined();
    await open();
    vi.stubGlobal('navigator', {});
    expect(await claimKeepsake('g')).toBeUndefined();
    tab.enter();
    Object.defineProperty(globalThis, 'sessionStorage', {
      configurable: true,
      get: () => {
        throw new DOMException('denied', 'SecurityError');
      },
    });
    expect(await claimKeepsake('g')).toBeUndefined();
  });

  it('takes what it cannot read for nothing, and lives with a full storage', async () => {
    await open();
    tab.items.set('distributedlog:g:0', '{"lock":7}');
    tab.items.set('distributedlog:h:0', 'nonsense');
    expect((await claim()).saved).toBeUndefined();
    const slot = await claim('h');
    vi.stubGlobal('sessionStorage', undefined);
    slot.save('one');
    tab.items.set = () => {
      throw new DOMException('full', 'QuotaExceededError');
    };
    slot.save('two');
    expect(tab.items.has('distributedlog:h:0')).toBe(false);
  });
});
