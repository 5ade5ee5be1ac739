// Brings what is read into line with what was chosen, and carries out what the page is asked to do. Knows nothing of elements.
import {
  type Admin,
  Client,
  type ClientConfig,
  type ConnectionStatus,
  type ConsumerEvent,
  type ConsumerRecord,
  type GroupDescription,
  type GroupSummary,
  LogError,
  type Producer,
  type TopicDescription,
  type TopicPartition,
} from 'distributedlog';
import { adviseOn, type Remedy } from './advice.ts';
import { type AppState, effectiveTopics, type Failure, MAX_REBALANCES, type Membership } from './app-state.ts';
import { ConsumerRun, type SeekTarget } from './consumer-run.ts';
import { Continuity } from './continuity.ts';
import { messageOf } from './format.ts';
import { RateLimiter } from './limiter.ts';
import { Notices } from './notices.ts';
import { RowRing } from './ring.ts';
import type { Store } from './store.ts';
import type { Start } from './url-state.ts';

export const MAX_ROWS = 50_000;
/** Records pin the batches they came in, so that the table is bounded in bytes too. */
export const MAX_ROW_BYTES = 64 * 1024 * 1024;
const SAMPLE_MS = 500;
const TOPICS_MS = 3000;

export type Row = ConsumerRecord;
export type ProduceRecord = Parameters<Producer['send']>[0];
const OVERHEAD = 64;
const sizeOf = (row: Row): number => OVERHEAD + (row.key?.length ?? 0) + (row.value?.length ?? 0);

export class Controller {
  readonly rows = new RowRing<Row>({ maxRows: MAX_ROWS, maxBytes: MAX_ROW_BYTES }, sizeOf);
  readonly continuity = new Continuity();
  readonly notices: Notices;
  readonly #store: Store<AppState>;
  readonly #config: ClientConfig;
  readonly #limiter: RateLimiter;
  /** Called after rows came or went. */
  #onRows: () => void = () => undefined;
  #client: Client;
  #statuses: { unsubscribe(): void };
  #admin: Admin | undefined;
  #producer: Producer | undefined;
  #run: ConsumerRun | undefined;
  #subscribed: string | undefined;
  #working: Promise<void> | undefined;
  #attempt: AbortController | undefined;
  #sampling = false;
  #refreshing = false;
  readonly #timers: ReturnType<typeof setInterval>[] = [];

  constructor(store: Store<AppState>, config: ClientConfig) {
    this.#store = store;
    this.#config = config;
    this.#limiter = new RateLimiter(store.get().rate, performance.now());
    this.notices = new Notices(store);
    this.#client = new Client(config);
    this.#statuses = this.#watchStatus();
  }

  onRows(listener: () => void): void {
    this.#onRows = listener;
  }

  start(): void {
    this.#reconcile();
    void this.refreshTopics();
    this.#timers.push(
      setInterval(() => void this.refreshTopics(), TOPICS_MS),
      setInterval(() => void this.#sample(), SAMPLE_MS),
    );
  }
  /** Commits, leaves and lets the connection go. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#attempt?.abort();
    await this.#endRun();
    this.#statuses.unsubscribe();
    await this.#client.close();
  }

  // What to read.
  chooseTopics(topics: readonly string[]): void {
    this.#store.set({ topics, failure: null });
    this.#reconcile();
  }
  chooseGroup(group: string | null): void {
    this.#store.set({ group, failure: null });
    this.#reconcile();
  }
  /** Reads these topics as a member of the group. */
  joinGroup(group: string, topics: readonly string[]): void {
    this.#store.set({ group, topics, failure: null });
    this.#reconcile();
  }
  /** Moves everything there; the table starts anew. */
  async startFrom(start: Start): Promise<void> {
    this.#store.set({ start, failure: null });
    await this.#run?.seekAll(start, () => {
      this.continuity.expectAny();
      this.clearRows();
    });
  }
  async seek(partition: TopicPartition, target: SeekTarget): Promise<void> {
    this.#store.set({ failure: null });
    await this.#run?.seek(partition, target, () => this.continuity.expectAny(partition.topic, partition.partition));
    void this.#sample();
  }

  // How to read.
  setPaused(paused: boolean): void {
    this.#store.set({ paused });
    this.#run?.setAllPaused(paused);
    void this.#sample();
  }
  setPartitionPaused(partition: TopicPartition, paused: boolean): void {
    this.#run?.setPaused(partition, paused);
    void this.#sample();
  }
  setRate(rate: number | null): void {
    this.#store.set({ rate });
    this.#limiter.setRate(rate, performance.now());
  }
  clearRows(): void {
    this.rows.clear();
    this.#onRows();
  }
  async commit(): Promise<void> {
    await this.#run?.commit();
  }

  /** Says that something the reader asked for did not work. */
  report(error: unknown): void {
    this.notices.add('bad', messageOf(error));
  }

  // What others read. Nothing is waited for longer than a look is worth.
  listGroups(signal: AbortSignal): Promise<GroupSummary[]> {
    this.#admin ??= this.#client.admin();
    return this.#admin.listGroups({ signal, timeoutMs: 5000 });
  }
  describeGroup(groupId: string, signal: AbortSignal): Promise<GroupDescription> {
    this.#admin ??= this.#client.admin();
    return this.#admin.describeGroup(groupId, { signal, timeoutMs: 5000 });
  }

  // What to write.
  async produce(record: ProduceRecord): Promise<{ topic: string; partition: number; offset: number }> {
    this.#producer ??= this.#client.producer({ lingerMs: 0 });
    const written = await this.#producer.send(record);
    void this.refreshTopics();
    return written;
  }
  async createTopic(name: string, partitions: number): Promise<void> {
    this.#admin ??= this.#client.admin();
    await this.#admin.createTopic({ name, partitions });
    await this.refreshTopics();
  }

  /** A new connection, and reading goes on as chosen. */
  async reconnect(): Promise<void> {
    this.#store.set({ failure: null });
    this.#attempt?.abort();
    await this.#working;
    await this.#endRun();
    await this.#client.close().catch((error: unknown) => this.notices.add('warning', LogError.from(error).message));
    this.#statuses.unsubscribe();
    this.#client = new Client(this.#config);
    this.#statuses = this.#watchStatus();
    this.#admin = undefined;
    this.#producer = undefined;
    this.#reconcile();
  }

  /** Asks which topics there are. While the gateway is away it keeps what it knew. */
  async refreshTopics(): Promise<void> {
    if (this.#refreshing) return;
    this.#refreshing = true;
    const client = this.#client;
    let topics: TopicDescription[];
    try {
      this.#admin ??= client.admin();
      topics = await this.#admin.listTopics({ timeoutMs: 10_000 });
    } catch (error) {
      // The status pill says that the gateway is away; asking again is all there is to do.
      if (error instanceof LogError) return;
      throw error;
    } finally {
      this.#refreshing = false;
    }
    if (client !== this.#client) return;
    const visible = topics.filter((topic) => !topic.internal).sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#store.set({ known: visible });
    this.#reconcile();
  }

  /** Works towards the latest choice, one step at a time; a newer choice cuts a step short that still waits. */
  #reconcile(): void {
    const { topics, known } = this.#store.get();
    const reading = effectiveTopics(topics, known);
    if (reading.join() !== this.#store.get().reading.join()) this.#store.set({ reading });
    if (this.#working !== undefined) {
      if (!this.#settled()) this.#attempt?.abort();
      return;
    }
    this.#working = this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  #settled(): boolean {
    const { group, reading } = this.#store.get();
    return this.#run !== undefined && this.#run.group === group && this.#subscribed === reading.join();
  }

  async #work(): Promise<void> {
    while (!this.#settled()) {
      const { group, start, paused, reading } = this.#store.get();
      if (this.#run !== undefined && this.#run.group !== group) await this.#endRun();
      this.#run ??= new ConsumerRun(
        this.#client,
        { group, start, paused, limiter: this.#limiter },
        {
          onEvent: (event) => this.#onEvent(event),
          onRecords: (records) => this.#onRecords(records),
          onFailure: (error) => this.#onFailure(error),
        },
      );
      this.#subscribed = reading.join();
      if (reading.length === 0 && this.#run.assigned.length === 0) continue;
      this.#attempt = new AbortController();
      const { signal } = this.#attempt;
      try {
        await this.#run.subscribe(reading, signal);
      } catch (error) {
        this.#subscribed = signal.aborted ? undefined : this.#subscribed;
        if (!signal.aborted) this.#onFailure(LogError.from(error));
      }
    }
    void this.#sample();
  }

  async #endRun(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    this.#subscribed = undefined;
    this.continuity.expectAny();
    this.clearRows();
    this.#store.set({ partitions: [], membership: null });
    await run?.close().catch((error: unknown) => this.notices.add('warning', LogError.from(error).message));
  }

  #onRecords(records: readonly ConsumerRecord[]): void {
    for (const record of records) {
      this.rows.push(record);
      const bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0);
      this.continuity.count(record.topic, record.partition, record.offset, bytes);
    }
    this.#onRows();
  }

  #watchStatus(): { unsubscribe(): void } {
    return this.#client.status$.subscribe((status) => this.#onStatus(status));
  }

  #onStatus(status: ConnectionStatus): void {
    const before = this.#store.get().status;
    this.#store.set({ status, statusAt: Date.now() });
    this.notices.onStatus(status, before);
    if (status.type === 'live' && this.#store.get().known === null) void this.refreshTopics();
    if (status.type === 'closed' && status.error !== undefined) this.#onFailure(status.error);
  }

  #onEvent(event: ConsumerEvent): void {
    if (event.type === 'gap') this.continuity.expectAny(event.topic, event.partition);
    const { group, rebalances } = this.#store.get();
    if (event.type === 'rebalance' && group !== null) {
      const own = { groupId: group, at: Date.now(), event };
      this.#store.set({ rebalances: [...rebalances, own].slice(-MAX_REBALANCES) });
      void this.#sample();
    }
    this.notices.onEvent(event);
  }

  #onFailure(error: LogError): void {
    const advice = adviseOn(error);
    const failure: Failure = {
      title: advice.title,
      detail: `${error.code}: ${error.message}`,
      advice: advice.advice,
      actions: advice.remedies.map((remedy) => ({ label: LABELS[remedy], run: () => this.#remedy(remedy, error) })),
    };
    this.#store.set({ failure });
  }

  #remedy(remedy: Remedy, error: LogError): void {
    const { topic, partition, offset = 0 } = error;
    const place = topic === undefined || partition === undefined ? undefined : { topic, partition };
    const seek = (target: Start): Promise<void> =>
      place === undefined ? this.startFrom(target) : this.seek(place, target);
    switch (remedy) {
      case 'reconnect':
        void this.reconnect();
        break;
      case 'leaveGroup':
        this.chooseGroup(null);
        break;
      case 'skip':
        if (place !== undefined) void this.seek(place, { kind: 'offset', offset: offset + 1 });
        break;
      case 'earliest':
      case 'latest':
        void seek({ kind: remedy });
        break;
    }
  }

  async #sample(): Promise<void> {
    const run = this.#run;
    if (run === undefined || this.#sampling) return;
    this.#sampling = true;
    try {
      const partitions = await run.sample(this.#store.get().known ?? []);
      if (run !== this.#run) return;
      const metrics = run.consumer.metrics();
      this.#store.set({
        partitions,
        membership: sameMembership(this.#store.get().membership, run.consumer.groupMetadata()),
        totals: {
          records: this.continuity.records,
          repeated: this.continuity.repeated,
          skipped: this.continuity.skipped,
          bufferedBytes: metrics.bufferedBytes,
          reconnects: metrics.reconnects,
        },
      });
    } finally {
      this.#sampling = false;
    }
  }
}

/** The one there was, as long as it is the same: views hear only of changes. */
function sameMembership(before: Membership | null, now: Membership | null): Membership | null {
  const same = before?.groupId === now?.groupId && before?.memberId === now?.memberId && before?.epoch === now?.epoch;
  return same ? before : now;
}

const LABELS: Record<Remedy, string> = {
  reconnect: 'Reconnect',
  skip: 'Skip the record',
  earliest: 'Go to the beginning',
  latest: 'Go to the live end',
  leaveGroup: 'Read without a group',
};
