// Puts the page together: the state from the URL, the controller that reads, the views that show, and the keys that reach them all.
import './styles/tokens.css';
import './styles/controls.css';
import './styles/records.css';
import './styles/panels.css';
import './styles/inspector.css';
import './styles/layout.css';
import { initialState } from './app-state.ts';
import { h, isTyping } from './dom.ts';
import { messageOf } from './format.ts';
import { nextTurn } from './reader.ts';
import { createStore } from './store.ts';
import { formatChoice, parseChoice } from './url-state.ts';
import { createCharts } from './views/charts.ts';
import { createTopicDialog } from './views/create-topic.ts';
import { createEvents } from './views/events.ts';
import { createHeader } from './views/header.ts';
import { createHelp } from './views/help.ts';
import { createInspector } from './views/inspector.ts';
import { createPartitions } from './views/partitions.ts';
import { createProduce } from './views/produce.ts';
import { createRecords } from './views/records.ts';
import { createSeekDialog } from './views/seek-dialog.ts';
import { createSidebar } from './views/sidebar.ts';
import { createTabs } from './views/tabs.ts';
import { createThemeSwitch } from './views/theme.ts';

const store = createStore(initialState(parseChoice(location.search)));
// The gateway that served this page is the one to read from; only a development server needs to be told of another.
const server: string | undefined = import.meta.env.VITE_GATEWAY;
// What speaks to the gateway comes as a file of its own, and the page is built in turns: no step of the start is a long one.
const { Controller } = await import('./controller.ts');
await nextTurn();
const controller = new Controller(store, { bootstrapServers: server, clientId: 'dashboard' });

const charts = createCharts(store, controller);
const theme = createThemeSwitch(() => charts.recolor());
const help = createHelp();
const seek = createSeekDialog(controller);
const newTopic = createTopicDialog(store, controller);
const events = createEvents(store);
const inspector = createInspector({
  // It lies over the details: what cannot be seen must not take the focus either.
  onOpen: () => {
    side.element.inert = true;
  },
  onClose: () => {
    side.element.inert = false;
    records.table.element.focus({ preventScroll: true });
  },
  onMove: (by) => records.table.move(by),
});
const records = createRecords(store, controller, {
  onOpen: (record, keyboard) => inspector.open(record, keyboard),
  onActive: (record) => {
    if (inspector.isOpen()) inspector.open(record, false);
  },
});
const side = createTabs('Details', [
  {
    id: 'partitions',
    label: 'Partitions',
    panel: createPartitions(store, controller, (partition) => seek.open(partition)),
  },
  { id: 'produce', label: 'Produce', panel: createProduce(store, controller) },
  { id: 'events', label: 'Events', panel: events.history, badge: events.badge },
]);
const openNewTopic = (): void => newTopic.open('New topic');

const recordsView = h(
  'div',
  { class: 'app' },
  createSidebar(store, controller, { onSeekAll: () => seek.open(null), onCreateTopic: openNewTopic }),
  h(
    'main',
    { id: 'records', tabindex: -1 },
    charts.element,
    h('div', { class: 'work' }, records.element, h('div', { class: 'aside' }, side.element, inspector.element)),
  ),
);
const skip = h('a', { class: 'skip', href: '#records' }, 'Skip to the records');

await nextTurn();
document.body.append(
  skip,
  createHeader(store, { theme: theme.element, onHelp: () => help.open() }),
  recordsView,
  events.toasts,
  help.element,
  seek.element,
  newTopic.element,
);

// The group view comes as files of its own when it is first looked at.
let groupsView: HTMLElement | undefined;
let groupsLoading = false;
async function loadGroups(): Promise<void> {
  groupsLoading = true;
  try {
    const { createGroups } = await import('./views/groups/index.ts');
    groupsView = createGroups(store, controller);
    recordsView.after(groupsView);
    showView();
  } catch (error) {
    // The gateway is away or serves another version of the page by now: the records stay usable.
    controller.report(new Error(`The group view could not be loaded: ${messageOf(error)}`));
    store.set({ view: 'records' });
  } finally {
    groupsLoading = false;
  }
}
function showView(): void {
  const { view } = store.get();
  recordsView.hidden = view !== 'records';
  if (groupsView !== undefined) groupsView.hidden = view !== 'groups';
  skip.href = `#${view}`;
  skip.textContent = `Skip to the ${view}`;
  if (view === 'groups' && groupsView === undefined && !groupsLoading) void loadGroups();
}
store.watch((state) => state.view, showView);

let viewInAddress = store.get().view;
store.watch(formatChoice, (query, { view }) => {
  // Another view is another entry of the history; other choices change the present one.
  const another = view !== viewInAddress;
  viewInAddress = view;
  if (query === location.search) return;
  const address = `${location.pathname}${query}`;
  if (another) history.pushState(null, '', address);
  else history.replaceState(null, '', address);
});
addEventListener('popstate', () => {
  const { view, shown } = parseChoice(location.search);
  viewInAddress = view;
  store.set({ view, shown });
});

/** They do something to the records: elsewhere nobody would see what. */
const RECORDS_KEYS = new Set(['/', 'p', 'l']);
document.addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
  if (document.querySelector('dialog[open]') !== null) return;
  if (event.key === 'Escape') {
    inspector.close();
    return;
  }
  if (isTyping(event.target) || !help.singleKeys()) return;
  const { view } = store.get();
  switch (view === 'groups' && RECORDS_KEYS.has(event.key) ? '' : event.key) {
    case 'g':
      store.set({ view: view === 'groups' ? 'records' : 'groups' });
      break;
    case '/':
      records.focusFilter();
      break;
    case 'p':
      records.togglePause();
      break;
    case 'l':
      records.table.follow();
      break;
    case 't':
      theme.next();
      break;
    case '?':
      help.open();
      break;
    default:
      return;
  }
  event.preventDefault();
});

await nextTurn();
controller.start();
import.meta.hot?.dispose(() => controller.close());
