// What a gateway counts, in Prometheus' text format. Knows nothing of sockets or frames.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { CLOSE_CODES } from 'distributedlog/protocol';
import type { GroupPort, Log, SessionMetrics } from 'distributedlog/server';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Label values that clients can choose are counted one by one up to this many, then together as '(other)'. */
const MAX_TOPICS = 100;
const MAX_REQUEST_TYPES = 50;
const OTHER = '(other)';
const KNOWN_CLOSES: ReadonlySet<number> = new Set([
  ...Object.values(CLOSE_CODES).map((close) => close.code),
  1001,
  1005,
  1006,
  1007,
]);

export interface GatewayMetrics extends SessionMetrics {
  connectionOpened(): void;
  connectionClosed(code: number): void;
  /** A connection that got no session. */
  connectionRefused(reason: string): void;
  readonly contentType: string;
  text(): Promise<string>;
  stop(): void;
}

/** Its own registry: two gateways in one process do not mix. */
export function createMetrics(log: Log): GatewayMetrics {
  const register = new Registry();
  const registers = [register];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name: `dlog_${name}`, help, labelNames, registers });

  const connections = new Gauge({ name: 'dlog_connections', help: 'Open connections that have a session.', registers });
  const opened = counter('connections_opened_total', 'Connections that got a session.');
  const refused = counter('connections_refused_total', 'Connections that got no session, by reason.', ['reason']);
  const closes = counter('closes_total', 'Connections that ended, by WebSocket close code.', ['code']);
  const frames = counter('frames_total', 'WebSocket messages, by direction.', ['direction']);
  const bytes = counter('bytes_total', 'Payload bytes of WebSocket messages, by direction.', ['direction']);
  const batches = counter('batches_total', 'Record batches, by topic and direction.', ['topic', 'direction']);
  const batchBytes = counter('batch_bytes_total', 'Bytes of record batches, by topic and direction.', [
    'topic',
    'direction',
  ]);
  const malformed = counter('malformed_frames_total', 'Frames that were refused because of their form.');
  const requests = counter('requests_total', 'Requests, by type and outcome (ok or an error code).', [
    'type',
    'outcome',
  ]);
  const durations = new Histogram({
    name: 'dlog_request_duration_seconds',
    help: 'Time from a request to its answer, by type.',
    labelNames: ['type'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  observeProcess(registers);
  const delay = observeEventLoop(registers);
  const updateLog = observeLog(log, registers);
  observeGroups(log.groups, registers);

  const framesIn = frames.labels('in');
  const framesOut = frames.labels('out');
  const bytesIn = bytes.labels('in');
  const bytesOut = bytes.labels('out');
  const topicLabel = boundedLabel(MAX_TOPICS);
  const typeLabel = boundedLabel(MAX_REQUEST_TYPES);
  return {
    framesIn(count, size) {
      framesIn.inc(count);
      bytesIn.inc(size);
    },
    framesOut(count, size) {
      framesOut.inc(count);
      bytesOut.inc(size);
    },
    records(topic, direction, count, size) {
      const label = topicLabel(topic);
      batches.labels(label, direction).inc(count);
      batchBytes.labels(label, direction).inc(size);
    },
    request(type, outcome, durationMs) {
      const label = typeLabel(type);
      requests.labels(label, outcome).inc();
      durations.labels(label).observe(durationMs / 1000);
    },
    malformedFrame: () => malformed.inc(),
    connectionOpened() {
      opened.inc();
      connections.inc();
    },
    connectionClosed(code) {
      connections.dec();
      closes.labels(KNOWN_CLOSES.has(code) ? String(code) : OTHER).inc();
    },
    connectionRefused: (reason) => refused.labels(reason).inc(),
    contentType: register.contentType,
    text() {
      updateLog();
      return register.metrics();
    },
    stop: () => delay.disable(),
  };
}

/** The first `max` values as they are, every later one as '(other)'. */
function boundedLabel(max: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.has(value)) return value;
    if (known.size >= max) return OTHER;
    known.add(value);
    return value;
  };
}

function observeProcess(registers: Registry[]): void {
  const startedAt = Date.now();
  new Gauge({
    name: 'dlog_uptime_seconds',
    help: 'Time since the gateway started.',
    registers,
    collect() {
      this.set((Date.now() - startedAt) / 1000);
    },
  });
  new Gauge({
    name: 'dlog_resident_memory_bytes',
    help: 'Memory of the process.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Counter({
    name: 'dlog_cpu_seconds_total',
    help: 'Processor time of the process, user and system.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
}

function observeEventLoop(registers: Registry[]): { disable(): void } {
  const RESOLUTION_MS = 20;
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  new Gauge({
    name: 'dlog_event_loop_delay_seconds',
    help: 'How late the event loop was since the last scrape.',
    labelNames: ['quantile'],
    registers,
    collect() {
      // Node measures the distance of two timer ticks: the resolution is not delay.
      const late = (nanoseconds: number) =>
        Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1000) : 0;
      this.set({ quantile: '0.5' }, late(delay.percentile(50)));
      this.set({ quantile: '0.99' }, late(delay.percentile(99)));
      this.set({ quantile: '1' }, late(delay.max));
      delay.reset();
    },
  });
  return delay;
}

/** Each number the log tells becomes a gauge of its own: `appendedBytes` is dlog_log_appended_bytes. */
function observeLog(log: Log, registers: Registry[]): () => void {
  const health = new Gauge({ name: 'dlog_log_healthy', help: '1 while the log can serve, else 0.', registers });
  const gauges = new Map([['dlog_log_healthy', health]]);
  return () => {
    health.set(log.health() === undefined ? 1 : 0);
    for (const [key, value] of Object.entries(log.metrics?.() ?? {})) {
      const name = `dlog_log_${key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).replace(/\W/g, '_')}`;
      let gauge = gauges.get(name);
      if (gauge === undefined) {
        gauge = new Gauge({ name, help: `${key}, as the log tells it.`, registers });
        gauges.set(name, gauge);
      }
      gauge.set(value);
    }
  };
}

/** Nothing where the log does not count. */
function observeGroups(groups: GroupPort, registers: Registry[]): void {
  const counts = groups.counts?.bind(groups);
  if (counts === undefined) return;
  new Gauge({
    name: 'dlog_groups',
    help: 'Groups that have members.',
    registers,
    collect() {
      this.set(counts().groups);
    },
  });
  new Gauge({
    name: 'dlog_group_members',
    help: 'Members of all groups: connected, or held (the connection is lost, and the member is kept for a while).',
    labelNames: ['state'],
    registers,
    collect() {
      this.set({ state: 'connected' }, counts().membersConnected);
      this.set({ state: 'held' }, counts().membersHeld);
    },
  });
  const total = (name: string, help: string, key: 'rebalanced' | 'resumed') =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(counts()[key]);
      },
    });
  total(
    'dlog_group_rebalances_total',
    'Times that members of a group were to own something else than before.',
    'rebalanced',
  );
  total(
    'dlog_group_members_resumed_total',
    'Members whose client came back to what they had, without a rebalance.',
    'resumed',
  );
}
