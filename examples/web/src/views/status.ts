// The pill that says how the connection is, with a countdown while it waits to dial again.
import type { ConnectionStatus } from 'distributedlog';
import type { AppState } from '../app-state.ts';
import { h, setText } from '../dom.ts';
import { formatSeconds } from '../format.ts';
import type { Store } from '../store.ts';

const TICK_MS = 100;

function describe(status: ConnectionStatus | null, sinceMs: number): { tone: string; text: string; title: string } {
  switch (status?.type) {
    case undefined:
      return { tone: 'idle', text: 'Not connected', title: 'Nothing was dialled yet' };
    case 'connecting':
      return {
        tone: 'busy',
        text: status.attempt > 1 ? `Connecting, attempt ${status.attempt}` : 'Connecting',
        title: status.url,
      };
    case 'live':
      return { tone: 'good', text: 'Live', title: `${status.url}, session ${status.sessionId}, log ${status.logId}` };
    case 'reconnecting':
      return {
        tone: 'warning',
        text: `Attempt ${status.attempt} in ${formatSeconds(status.delayMs - sinceMs)} s`,
        title: status.error.message,
      };
    case 'closed':
      return { tone: 'bad', text: 'Closed', title: status.error?.message ?? 'Closed by this page' };
  }
}

export function createStatus(store: Store<AppState>): HTMLElement {
  const text = h('span', { class: 'pill-text' });
  const spoken = h('span', { class: 'visually-hidden', role: 'status' });
  const pill = h('div', { class: 'pill', 'data-testid': 'connection-status' }, h('i', { class: 'lamp' }), text);
  let timer: ReturnType<typeof setInterval> | undefined;
  const show = (): void => {
    const { status, statusAt } = store.get();
    const about = describe(status, Date.now() - statusAt);
    pill.dataset.tone = about.tone;
    pill.dataset.status = status?.type ?? 'idle';
    pill.title = about.title;
    setText(text, about.text);
  };
  store.watch(
    (state) => state.status,
    (status) => {
      clearInterval(timer);
      if (status?.type === 'reconnecting') timer = setInterval(show, TICK_MS);
      // The countdown is for the eye; a screen reader hears only that the state changed.
      setText(spoken, status === null ? '' : `Connection: ${status.type}`);
      show();
    },
  );
  return h('div', { class: 'status' }, pill, spoken);
}
