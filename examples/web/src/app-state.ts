// The state that the page shows: what was chosen, what is known of the connection, topics and partitions, and what happened.
import type { ConnectionStatus, ConsumerEvent, TopicDescription } from 'distributedlog';
import type { Choice } from './url-state.ts';

export interface PartitionState {
  readonly topic: string;
  readonly partition: number;
  readonly start: number | null;
  readonly end: number | null;
  readonly position: number | null;
  readonly lag: number | null;
  readonly committed: number | null;
  readonly paused: boolean;
}

export type NoticeTone = 'info' | 'good' | 'warning' | 'bad';
export interface Notice {
  readonly id: number;
  readonly at: number;
  readonly tone: NoticeTone;
  readonly text: string;
  /** How often it came, one right after the other. */
  readonly times: number;
}

/** A failure that reading does not get over by itself. */
export interface Failure {
  readonly title: string;
  readonly detail: string;
  readonly advice: string;
  readonly actions: readonly { readonly label: string; readonly run: () => void }[];
}

export interface Totals {
  readonly records: number;
  readonly repeated: number;
  readonly skipped: number;
  readonly bufferedBytes: number;
  readonly reconnects: number;
}

/** As which member of its group this page reads. */
export interface Membership {
  readonly groupId: string;
  readonly memberId: string;
  readonly epoch: number;
}
/** What this page was given and lost as a member, and when (ms since the epoch). */
export interface OwnRebalance {
  readonly groupId: string;
  readonly at: number;
  readonly event: Extract<ConsumerEvent, { readonly type: 'rebalance' }>;
}

export interface AppState extends Choice {
  readonly status: ConnectionStatus | null;
  /** When the status came, ms since the epoch: a countdown needs it. */
  readonly statusAt: number;
  /** Topics there are, by name; null: not known yet. */
  readonly known: readonly TopicDescription[] | null;
  /** What is read now: the choice, or the default where nothing was chosen. */
  readonly reading: readonly string[];
  readonly paused: boolean;
  readonly partitions: readonly PartitionState[];
  readonly totals: Totals;
  readonly membership: Membership | null;
  /** The oldest first; bounded. */
  readonly rebalances: readonly OwnRebalance[];
  readonly failure: Failure | null;
  readonly notices: readonly Notice[];
}

/** What the client may hold undelivered, bytes. */
export const MAX_BUFFERED_BYTES = 16 * 1024 * 1024;
/** Notices kept as history. */
export const MAX_NOTICES = 200;
export const MAX_REBALANCES = 50;
export const DEFAULT_PREFIX = 'telemetry.';

export function initialState(choice: Choice): AppState {
  return {
    ...choice,
    status: null,
    statusAt: 0,
    known: null,
    reading: choice.topics ?? [],
    paused: false,
    partitions: [],
    totals: { records: 0, repeated: 0, skipped: 0, bufferedBytes: 0, reconnects: 0 },
    membership: null,
    rebalances: [],
    failure: null,
    notices: [],
  };
}

/** What to read where the reader chose nothing: the telemetry that a fresh gateway feeds. */
export function effectiveTopics(choice: readonly string[] | null, known: readonly TopicDescription[] | null): string[] {
  if (choice !== null) return [...choice];
  return (known ?? []).map((topic) => topic.name).filter((name) => name.startsWith(DEFAULT_PREFIX));
}
