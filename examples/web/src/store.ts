// Holds the one state that all views render, and tells them when their part of it changed. Knows nothing of what the state is.

export interface Store<S> {
  get(): S;
  /** Views hear of it in a microtask, once for all changes of a task. */
  set(patch: Partial<S>): void;
  /** Calls back now, and whenever what `select` returns is another value. */
  watch<T>(select: (state: S) => T, render: (value: T, state: S) => void): void;
}

export function createStore<S extends object>(initial: S): Store<S> {
  let state = initial;
  let scheduled = false;
  const watchers: (() => void)[] = [];
  const flush = (): void => {
    scheduled = false;
    for (const watcher of watchers) watcher();
  };
  return {
    get: () => state,
    set(patch) {
      state = { ...state, ...patch };
      if (scheduled) return;
      scheduled = true;
      queueMicrotask(flush);
    },
    watch(select, render) {
      let seen = select(state);
      watchers.push(() => {
        const value = select(state);
        if (Object.is(value, seen)) return;
        seen = value;
        render(value, state);
      });
      render(seen, state);
    },
  };
}
