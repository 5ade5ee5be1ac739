// What members and the scenario report to the judge, and how a journal of it reads. Types and text only; decides nothing.

/** What a member says of itself, in the order in which it happened. `at`: its own clock, ms since the epoch, when it happened. */
export type Told =
  | { readonly type: 'hello'; readonly at: number; readonly name: string }
  /** From inside the listener: nothing of these partitions is delivered before the judge has answered. */
  | {
      readonly type: 'assigned';
      readonly at: number;
      readonly memberId: string | null;
      readonly partitions: readonly number[];
    }
  | { readonly type: 'revoked' | 'lost'; readonly at: number; readonly partitions: readonly number[] }
  /** It was handed the record at `at`, and works on it only once the judge has answered. */
  | {
      readonly type: 'begin';
      readonly at: number;
      readonly partition: number;
      readonly offset: number;
      readonly value: string;
    }
  | { readonly type: 'end'; readonly at: number; readonly partition: number; readonly offset: number }
  /** The group has these offsets. */
  | { readonly type: 'committed'; readonly at: number; readonly offsets: readonly (readonly [number, number])[] }
  | { readonly type: 'failed'; readonly at: number; readonly error: string }
  | { readonly type: 'said'; readonly at: number; readonly text: string };

/** What the scenario does. `life`: one run of a member, from its hello on. */
export type Done =
  | { readonly type: 'produced'; readonly partition: number; readonly number: number; readonly offset: number }
  | { readonly type: 'killed' | 'frozen' | 'thawed' | 'reloading' | 'leaving'; readonly life: string }
  /** Its last word has been heard. */
  | { readonly type: 'gone'; readonly life: string }
  /** From here to `calm over` no assignment may change; `life` is being reloaded: its next life takes over what it has. */
  | { readonly type: 'calm'; readonly reason: string; readonly life?: string | undefined }
  | { readonly type: 'calm over' }
  | { readonly type: 'step'; readonly text: string };

export interface Entry {
  /** ms since the journal began, by the judge's clock. */
  readonly ms: number;
  /** Whose it is; undefined: the scenario's. */
  readonly life: string | undefined;
  readonly event: Told | Done;
  /** What the judge adds. */
  remark: string;
  /** Something the contract does not allow. */
  wrong: boolean;
}

function text(event: Told | Done): string {
  switch (event.type) {
    case 'hello':
      return `is there: ${event.name}`;
    case 'assigned':
      return `ASSIGNED ${event.partitions.join(' ')} as ${event.memberId ?? 'nobody'}`;
    case 'revoked':
    case 'lost':
      return `${event.type.toUpperCase()} ${event.partitions.join(' ')}`;
    case 'begin':
    case 'end':
      return `${event.type} p${event.partition} @${event.offset}`;
    case 'committed':
      return `committed ${event.offsets.map(([partition, offset]) => `p${partition}→${offset}`).join(' ')}`;
    case 'failed':
      return `FAILED ${event.error}`;
    case 'said':
      return event.text;
    case 'produced':
      return `produced p${event.partition} @${event.offset}`;
    case 'calm':
      return `--- calm: ${event.reason}`;
    case 'calm over':
      return '--- calm over';
    case 'step':
      return `--- ${event.text}`;
    default:
      return `--- ${event.life} ${event.type}`;
  }
}

export function line({ ms, life = '', event, remark, wrong }: Entry): string {
  const late = 'at' in event ? `${new Date(event.at).toISOString().slice(17, 23)} ` : '';
  const why = remark === '' ? '' : `${wrong ? '   <<<<<<<<<< ' : '   · '}${remark}`;
  return `${String(Math.round(ms)).padStart(6)}  ${life.padEnd(9)} ${late}${text(event)}${why}`;
}

const AROUND = 12;
/** What there was before the entry at `index`, as far as it concerns the same partition, the same life or the whole group; and a little after. */
export function excerpt(entries: readonly Entry[], index: number, most = 60): string {
  const wrong = entries[index];
  if (wrong === undefined) return '';
  const { event, life } = wrong;
  const partition = 'partition' in event ? event.partition : undefined;
  const concerns = (entry: Entry): boolean => {
    if (entry.event.type === 'produced') return false;
    if ('partition' in entry.event) {
      return partition === undefined ? entry.life === life : entry.event.partition === partition;
    }
    return entry.event.type !== 'committed' || entry.life === life;
  };
  const before = entries.slice(0, index).filter(concerns).slice(-most);
  const after = entries.slice(index + 1, index + 1 + AROUND).filter(concerns);
  return [...before, wrong, ...after].map(line).join('\n');
}
