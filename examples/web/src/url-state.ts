// What the reader chose, as a query string and back, so that a link shows the same. Knows nothing of the page or of consumers.

/** Where reading starts. */
export type Start =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  /** Records not older than this, then live. */
  | { readonly kind: 'minutes'; readonly minutes: number }
  /** The newest records of each partition, then live. */
  | { readonly kind: 'last'; readonly count: number }
  /** The first record at or after this time (ms since the epoch), then live. */
  | { readonly kind: 'at'; readonly timestamp: number };

export const VIEWS = ['records', 'groups'] as const;
export type ViewName = (typeof VIEWS)[number];

export interface Choice {
  readonly view: ViewName;
  /** The group that the group view shows; null: the page picks. */
  readonly shown: string | null;
  /** null: nothing chosen yet; the page picks. */
  readonly topics: readonly string[] | null;
  /** With a group, offsets are committed and a reload goes on where it was. */
  readonly group: string | null;
  readonly start: Start;
  readonly filter: string;
  /** Records a second this page reads at most; null: as fast as they come. */
  readonly rate: number | null;
}

export const DEFAULT_START: Start = { kind: 'minutes', minutes: 1 };
export const RATES = [1000, 100, 10] as const;

export function parseStart(text: string | null): Start {
  if (text === null || text === '') return DEFAULT_START;
  if (text === 'earliest' || text === 'latest') return { kind: text };
  const tail = /^last:(\d{1,7})$/.exec(text);
  if (tail !== null) return { kind: 'last', count: Math.max(1, Number(tail[1])) };
  const minutes = Number(text);
  if (Number.isFinite(minutes) && minutes > 0) return { kind: 'minutes', minutes };
  // Date.parse alone takes almost anything for a date.
  const timestamp = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(timestamp) || timestamp < 0 ? DEFAULT_START : { kind: 'at', timestamp };
}

export function formatStart(start: Start): string {
  switch (start.kind) {
    case 'earliest':
    case 'latest':
      return start.kind;
    case 'minutes':
      return String(start.minutes);
    case 'last':
      return `last:${start.count}`;
    case 'at':
      return new Date(start.timestamp).toISOString();
  }
}

/** Unknown parameters and values that make no sense are passed over: an old link still opens. */
export function parseChoice(search: string): Choice {
  const query = new URLSearchParams(search);
  const topics = query.get('topics');
  const group = query.get('group')?.trim() ?? '';
  const rate = Number(query.get('rate'));
  const shown = query.get('show')?.trim() ?? '';
  return {
    view: VIEWS.find((name) => name === query.get('view')) ?? 'records',
    shown: shown === '' ? null : shown,
    topics:
      topics === null
        ? null
        : [
            ...new Set(
              topics
                .split(',')
                .map((topic) => topic.trim())
                .filter((topic) => topic !== ''),
            ),
          ],
    group: group === '' ? null : group,
    start: parseStart(query.get('from')),
    filter: query.get('q') ?? '',
    rate: Number.isFinite(rate) && rate > 0 ? rate : null,
  };
}

/** '' or '?…'; what equals the default is left out, and topics and times stay readable. */
export function formatChoice(choice: Choice): string {
  const parts: string[] = [];
  const add = (name: string, value: string): void => {
    parts.push(`${name}=${encodeURIComponent(value).replaceAll('%2C', ',').replaceAll('%3A', ':')}`);
  };
  if (choice.view !== 'records') add('view', choice.view);
  if (choice.shown !== null) add('show', choice.shown);
  if (choice.group !== null) add('group', choice.group);
  if (choice.topics !== null) add('topics', choice.topics.join(','));
  const from = formatStart(choice.start);
  if (from !== formatStart(DEFAULT_START)) add('from', from);
  if (choice.rate !== null) add('rate', String(choice.rate));
  if (choice.filter !== '') add('q', choice.filter);
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

export function describeStart(start: Start): string {
  switch (start.kind) {
    case 'earliest':
      return 'the beginning';
    case 'latest':
      return 'now';
    case 'minutes':
      return start.minutes === 1 ? 'one minute ago' : `${start.minutes} minutes ago`;
    case 'last':
      return `the last ${start.count} of each partition`;
    case 'at':
      return new Date(start.timestamp).toISOString();
  }
}
