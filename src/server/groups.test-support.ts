// A coordinator, its topics and its store in a test's hands, and members that note what they are told. Knows nothing of what is expected.
import { type ClientFrameOf, LogError, type TopicInfo } from '../protocol/index.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import type { TopicCatalogue } from './group.ts';
import { type CoordinatedGroups, type CoordinatedGroupsOptions, coordinatedGroups } from './groups.ts';
import type { Assignment, GroupPort, GroupStore, JoinRequest, Membership, MemberWishes, StoredGroup } from './log.ts';
import { memoryGroupStore } from './memory-group-store.ts';

export interface Joined {
  readonly membership: Membership;
  readonly memberId: string;
  readonly pushes: Assignment[];
  readonly fenced: string[];
  /** What it was last told, by answer or push. */
  said(): Assignment;
  update(wishes: MemberWishes): Promise<void>;
  /** How often another connection took the member up. */
  takenOver: number;
  owns(): string[];
  epoch(): number;
  /** Says that it has let go of everything else. */
  letGo(): void;
}

export const WISHES = {
  topics: ['t'],
  sessionTimeoutMs: 30_000,
  rebalanceTimeoutMs: 60_000,
  maxPollIntervalMs: 300_000,
};

/** How a client asks for membership of group "g". */
export const joinFrame = (
  id: number,
  consumer = 1,
  more: Partial<ClientFrameOf<'join'>> = {},
): ClientFrameOf<'join'> => ({ type: 'join', id, consumer, groupId: 'g', ...WISHES, ...more });

export async function join(groups: GroupPort, request: Partial<JoinRequest> = {}): Promise<Joined> {
  const pushes: Assignment[] = [];
  let said: Assignment = { memberEpoch: 0, partitions: [] };
  const fenced: string[] = [];
  let takenOver = 0;
  const membership = await groups.join(
    { groupId: 'g', clientId: 'c', ...WISHES, ...request },
    {
      onAssignment: (assignment) => {
        pushes.push(assignment);
        said = assignment;
      },
      onFenced: (error) => fenced.push(error.code),
      onTakenOver: () => takenOver++,
    },
  );
  const answered = ({ memberEpoch, partitions }: Assignment): void => {
    if (memberEpoch >= said.memberEpoch) said = { memberEpoch, partitions };
  };
  answered(membership);
  return {
    membership,
    memberId: membership.memberId,
    pushes,
    fenced,
    get takenOver() {
      return takenOver;
    },
    said: () => said,
    update: async (wishes) => answered(await membership.update(wishes)),
    owns: () => said.partitions.flatMap(({ topic, partitions }) => partitions.map((p) => `${topic}-${p}`)),
    epoch: () => said.memberEpoch,
    letGo: () => membership.owned(said.memberEpoch, said.partitions),
  };
}

/** Everything that needs no time has happened. */
export const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** Members in turn let go of what they must, until nobody has to. */
export async function reconciled(members: readonly Joined[]): Promise<void> {
  for (let round = 0; round < members.length + 2; round++) {
    for (const member of members) member.letGo();
    await settled();
  }
}

/** What the promise came to: 'resolved', or the code it was refused with. */
export const outcome = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'resolved',
    (error: unknown) => (error instanceof LogError ? error.code : error),
  );

/** Topics that a test makes and unmakes; the id of a topic tells how often one of its name was made. */
export class Topics implements TopicCatalogue {
  readonly #topics = new Map<string, TopicInfo>();
  #made = 0;

  /** Makes it, or gives it more partitions. */
  set(name: string, partitions: number): string {
    const topicId = this.#topics.get(name)?.topicId ?? `${name}:${this.#made++}`;
    this.#topics.set(name, {
      name,
      topicId,
      internal: false,
      partitions: Array.from({ length: partitions }, (_, partition) => ({
        partition,
        logStart: 0,
        highWatermark: 10,
        lastStableOffset: 10,
        leaderEpoch: 0,
      })),
    });
    return topicId;
  }
  delete(name: string): void {
    this.#topics.delete(name);
  }
  names(): string[] {
    return [...this.#topics.keys()];
  }
  byName(name: string): TopicInfo | undefined {
    return this.#topics.get(name);
  }
  byId(topicId: string): TopicInfo | undefined {
    return [...this.#topics.values()].find((topic) => topic.topicId === topicId);
  }
}

export class Bench {
  readonly clock = new ManualClock();
  readonly topics = new Topics();
  /** What is on the disk: what was saved, as text. */
  readonly disk = new Map<string, string>();
  /** Saves that the store was asked for. */
  saves = 0;
  /** While set, saves take as long as this. */
  saving: Promise<void> | undefined;
  full = false;
  readonly errors: string[] = [];
  readonly #options: Partial<CoordinatedGroupsOptions>;
  readonly #offsets = memoryGroupStore();
  readonly #timers: (() => void)[] = [];
  groups: CoordinatedGroups;

  constructor(options: Partial<CoordinatedGroupsOptions> = {}, topics: Readonly<Record<string, number>> = { t: 4 }) {
    for (const [name, partitions] of Object.entries(topics)) this.topics.set(name, partitions);
    this.#options = options;
    this.groups = this.#start();
  }

  /** As after `kill -9`: what was not on the disk never was. Who held members before is heard no more. */
  restart(): void {
    this.groups = this.#start();
  }

  /** Creates, changes (another number of partitions) or deletes (0). */
  topic(name: string, partitions: number): void {
    if (partitions === 0) this.topics.delete(name);
    else this.topics.set(name, partitions);
    this.groups.topicsChanged();
  }

  join(request: Partial<JoinRequest> = {}): Promise<Joined> {
    return join(this.groups, request);
  }

  /** Comes back with what the member was given. */
  resume({ membership }: Joined, request: Partial<JoinRequest> = {}): Promise<Joined> {
    const { memberId, resumeToken } = membership;
    return this.join({ memberId, resumeToken, ...request });
  }

  state(groupId = 'g'): StoredGroup | undefined {
    const text = this.disk.get(groupId);
    return text === undefined ? undefined : JSON.parse(text);
  }

  #start(): CoordinatedGroups {
    // A coordinator that is gone waits for nothing and writes nothing any more.
    for (const cancel of this.#timers.splice(0)) cancel();
    let current: CoordinatedGroups | undefined;
    const store: GroupStore = {
      ...this.#offsets,
      states: async () => new Map([...this.disk].map(([groupId, text]): [string, unknown] => [groupId, parsed(text)])),
      saveState: async (groupId, state) => {
        this.saves++;
        await this.saving;
        if (this.groups !== current) return;
        if (this.full) throw new LogError('KAFKA_STORAGE_ERROR', 'The disk is full.');
        if (state === undefined) this.disk.delete(groupId);
        else this.disk.set(groupId, JSON.stringify(state));
      },
      remove: async (groupId) => {
        this.disk.delete(groupId);
        await this.#offsets.remove(groupId);
      },
    };
    current = coordinatedGroups({
      store,
      topics: this.topics,
      clock: {
        now: () => this.clock.now(),
        after: (delayMs, callback) => {
          const cancel = this.clock.after(delayMs, callback);
          this.#timers.push(cancel);
          return cancel;
        },
      },
      random: Math.random,
      hashToken: async (token) => `hash of ${token}`,
      onError: (_error, message) => this.errors.push(message),
      ...this.#options,
    });
    return current;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
