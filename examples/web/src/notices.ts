// Turns what happens to the connection and the consumer into short notices, with a bounded history. Knows nothing of how they are shown.
import type { ConnectionStatus, ConsumerEvent } from 'distributedlog';
import { type AppState, MAX_NOTICES, type Notice, type NoticeTone } from './app-state.ts';
import { formatSeconds, plural } from './format.ts';
import type { Store } from './store.ts';

export class Notices {
  #store: Store<AppState>;
  #id = 0;
  #lostAt: number | undefined;

  constructor(store: Store<AppState>) {
    this.#store = store;
  }

  add(tone: NoticeTone, text: string, at = Date.now()): void {
    const { notices } = this.#store.get();
    const last = notices.at(-1);
    if (last !== undefined && last.text === text) {
      this.#store.set({ notices: [...notices.slice(0, -1), { ...last, at, times: last.times + 1 }] });
      return;
    }
    this.#id += 1;
    const notice: Notice = { id: this.#id, at, tone, text, times: 1 };
    this.#store.set({ notices: [...notices, notice].slice(-MAX_NOTICES) });
  }

  onStatus(status: ConnectionStatus, before: ConnectionStatus | null, at = Date.now()): void {
    if (status.type === 'reconnecting' && this.#lostAt === undefined) {
      this.#lostAt = at;
      const text = before?.type === 'live' ? 'Connection lost' : 'The gateway cannot be reached';
      this.add('warning', `${text}: ${status.error.message}`, at);
    }
    if (status.type === 'live' && this.#lostAt !== undefined) {
      this.add('good', `Connected again after ${formatSeconds(at - this.#lostAt)} s; reading goes on where it was`, at);
      this.#lostAt = undefined;
    }
    if (status.type === 'closed' && status.error !== undefined) this.add('bad', status.error.message, at);
  }

  onEvent(event: ConsumerEvent): void {
    switch (event.type) {
      case 'gap': {
        const lost = event.to - event.from;
        const what =
          lost > 0
            ? `${plural(lost, 'offset')} passed over (${event.from} → ${event.to})`
            : `moved back (${event.from} → ${event.to})`;
        this.add('warning', `Gap in ${event.topic} / ${event.partition}: ${what}, ${GAP_CAUSE[event.cause]}`);
        break;
      }
      case 'rebalance': {
        const { group, view } = this.#store.get();
        const { assigned, revoked, lost } = event;
        // The group view lists it, with all there is to know.
        if (group === null || (view === 'groups' && lost.length === 0)) break;
        const parts = [
          assigned.length > 0 ? `${plural(assigned.length, 'partition')} came` : '',
          revoked.length > 0 ? `${plural(revoked.length, 'partition')} went` : '',
          lost.length > 0 ? `${plural(lost.length, 'partition')} lost` : '',
        ].filter((part) => part !== '');
        if (parts.length > 0) this.add(lost.length > 0 ? 'warning' : 'info', `Group assignment: ${parts.join(', ')}`);
        break;
      }
      case 'poison': {
        const { topic, partition, offset } = event.record;
        this.add('warning', `A record could not be decoded and was passed over: ${topic} / ${partition} @ ${offset}`);
        break;
      }
      case 'throttled':
        this.add('warning', 'The gateway is delaying requests of this page');
        break;
      case 'error':
        this.add('bad', event.error.message);
        break;
      case 'commit':
        if (event.error !== undefined) this.add('bad', `Commit failed: ${event.error.message}`);
        break;
      case 'caughtUp':
        break;
    }
  }
}

const GAP_CAUSE = {
  retention: 'because the log no longer keeps them',
  truncation: 'because the log was cut back',
  reset: 'because the position was outside the log',
  recreated: 'because the topic was created anew',
  skipped: 'to stay live',
} as const;
