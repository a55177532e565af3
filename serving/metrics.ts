import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '../schema/clock.js';
import type { FleetTotals } from './fleet-totals.js';
import { METRICS, type MetricDefinition, type MetricKey } from './metric-definitions.js';

/** Default metrics of prom-client that are gauges named like counters; their values by type are exposed anyway. */
const MISNAMED_DEFAULTS = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];
/** A maximum is kept for the running span and the one before it. */
const MAX_SPAN_MS = 60_000;

export interface BuildInfo {
  readonly version: string;
  /** Null where the build does not know. */
  readonly commit: string | null;
}

/** A unit of work of the score role. */
export interface ScoredUnitCounts {
  readonly samples: number;
  readonly rows: number;
  readonly skippedDuePoints: number;
  readonly longestWaitSeconds: number;
  readonly modelSeconds: number;
  readonly unitSeconds: number;
  /** Event time of the newest sample, epoch ms; NaN without one. */
  readonly newestMs: number;
  /** NaN where nothing was answered for. */
  readonly latencySeconds: number;
}

/**
 * The engine's Prometheus metrics. Roles tell it what they did once per batch or cycle, by the methods named after
 * what happened; it knows no role. All counters of the catalogue without labels start at 0, so that a rate exists
 * from the first scrape on.
 */
export class EngineMetrics {
  private readonly registry = new Registry();
  private readonly latencyMax: SlidingMax;
  private readonly bufferedMost = new Map<string, SlidingMax>();
  private databaseAwaySinceMs: number | null = null;

  constructor(
    build: BuildInfo,
    private readonly clock: Clock,
  ) {
    // The fleet's figures are exposed only by who holds a view of it: a 0 from anyone else would be a lie.
    for (const [key, definition] of Object.entries(METRICS))
      if (!key.startsWith('fleet')) register(this.registry, definition);
    collectDefaultMetrics({ register: this.registry });
    for (const name of MISNAMED_DEFAULTS) this.registry.removeSingleMetric(name);
    this.gauge('buildInfo').set(
      { version: build.version, commit: build.commit ?? 'unknown', node: process.version },
      1,
    );
    this.latencyMax = new SlidingMax(clock);
    this.onCollect('scoreLatencyMax', (latencyMax) => latencyMax.set(this.latencyMax.value()));
    this.onCollect('buffered', (buffered) => {
      for (const [role, most] of this.bufferedMost) buffered.set({ role }, most.value());
    });
    this.onCollect('loadWaiting', (waiting) =>
      waiting.set(this.databaseAwaySinceMs === null ? 0 : (this.clock.now() - this.databaseAwaySinceMs) / 1000),
    );
  }

  /** Content type of {@link expose}. */
  get contentType(): string {
    return this.registry.contentType;
  }

  /** The exposition text. */
  expose(): Promise<string> {
    return this.registry.metrics();
  }

  // ingest

  /**
   * A cycle of a source: messages read and the samples they gave.
   * @param newestMs record timestamp of the last message, epoch ms
   */
  ingested(source: string, messages: number, samples: number, newestMs: number): void {
    this.counter('ingestMessages').inc({ source }, messages);
    this.counter('ingestSamples').inc({ source }, samples);
    if (!Number.isNaN(newestMs)) this.gauge('ingestLateness').set({ source }, (this.clock.now() - newestMs) / 1000);
  }

  readingsRejected(reason: string, count: number): void {
    this.counter('readingsRejected').inc({ reason }, count);
  }

  deadLettered(code: string, count: number): void {
    this.counter('deadLetters').inc({ code }, count);
  }

  // score

  scored(unit: ScoredUnitCounts): void {
    this.counter('scoreSamples').inc(unit.samples);
    this.counter('scoreRows').inc(unit.rows);
    this.counter('scoreSkipped').inc(unit.skippedDuePoints);
    this.gauge('scoreLongestWait').set(unit.longestWaitSeconds);
    this.histogram('scoreUnit').observe(unit.unitSeconds);
    this.histogram('scoreModel').observe(unit.modelSeconds);
    if (!Number.isNaN(unit.newestMs)) this.gauge('scoreLateness').set((this.clock.now() - unit.newestMs) / 1000);
    if (Number.isNaN(unit.latencySeconds)) return;
    this.histogram('scoreLatency').observe(unit.latencySeconds);
    this.latencyMax.add(unit.latencySeconds);
  }

  /** Decisions that were due and could not be made, by code. */
  undecided(counts: Readonly<Record<string, number>>): void {
    for (const [code, count] of Object.entries(counts))
      if (count > 0) this.counter('scoreUndecided').inc({ code }, count);
  }

  modelInForce(modelVersion: string, runId: string | null): void {
    this.gauge('modelInForce').reset();
    this.gauge('modelInForce').set({ model_version: modelVersion, run_id: runId ?? '' }, 1);
  }

  modelSwitched(): void {
    this.counter('modelSwitches').inc();
  }

  modelRefused(code: string): void {
    this.counter('modelsRefused').inc({ code });
  }

  gpusTracked(count: number, windowBytes: number): void {
    this.gauge('gpusTracked').set(count);
    this.gauge('windowBytes').set(windowBytes);
  }

  // alerts

  /** Alerts that fire, by name, names without any included; and GPUs that are silent. */
  alerting(firing: ReadonlyMap<string, number>, silentGpus: number): void {
    for (const [alert, count] of firing) this.gauge('alertsFiring').set({ alert }, count);
    this.gauge('gpusSilent').set(silentGpus);
  }

  // Kafka, any role

  recordsWritten(topic: string, count: number): void {
    this.counter('recordsWritten').inc({ topic }, count);
  }

  /** Records between what a role has committed and the end of its topics. */
  lag(role: string, records: number): void {
    this.gauge('lag').set({ role }, records);
  }

  /** What a role was to read next is not there any more. */
  offsetsLost(role: string, cause: string, offsets: number): void {
    this.counter('offsetGaps').inc({ role, cause });
    this.counter('offsetsLost').inc({ role }, offsets);
  }

  /** Bytes that a role holds of what it has read and not written yet, and how many it may. */
  buffered(role: string, bytes: number, limitBytes: number): void {
    let most = this.bufferedMost.get(role);
    if (most === undefined) this.bufferedMost.set(role, (most = new SlidingMax(this.clock)));
    most.add(bytes);
    this.gauge('bufferLimit').set({ role }, limitBytes);
  }

  clientWarning(role: string): void {
    this.counter('clientWarnings').inc({ role });
  }

  // load

  /** A transaction was committed: rows by table, and how long it took. */
  loaded(rowsByTable: ReadonlyMap<string, number>, commitSeconds: number): void {
    for (const [table, rows] of rowsByTable) this.counter('loadRows').inc({ table }, rows);
    this.counter('loadCommits').inc();
    this.histogram('loadCommit').observe(commitSeconds);
  }

  loadRetried(): void {
    this.counter('loadRetries').inc();
  }

  loadFenced(): void {
    this.counter('loadFenced').inc();
  }

  /** The database is waited for, or answers again; saying so twice changes nothing. */
  databaseAway(isAway: boolean): void {
    this.databaseAwaySinceMs = isAway ? (this.databaseAwaySinceMs ?? this.clock.now()) : null;
  }

  // serve

  /** @param route pattern of the route, never the URL itself: that would be a label a GPU */
  requested(method: string, route: string, status: number, seconds: number): void {
    this.counter('httpRequests').inc({ method, route, status: String(status) });
    this.histogram('httpRequest').observe({ route }, seconds);
  }

  liveClients(count: number): void {
    this.gauge('liveClients').set(count);
  }

  /** From now on each scrape asks which roles are ready. */
  watchReadiness(readiness: () => readonly { readonly role: string; readonly ready: boolean }[]): void {
    this.onCollect('roleReady', (roleReady) => {
      for (const { role, ready } of readiness()) roleReady.set({ role }, ready ? 1 : 0);
    });
  }

  /** From now on each scrape shows the fleet's figures; for a process that holds a view of it. */
  watchFleet(fleet: { totals(): FleetTotals }): void {
    const labelled = (key: MetricKey, label: string, values: (totals: FleetTotals) => Record<string, number>): void =>
      this.onCollect(key, (gauge) => {
        for (const [value, count] of Object.entries(values(fleet.totals()))) gauge.set({ [label]: value }, count);
      });
    labelled('fleetGpus', 'grade', (totals) => totals.by_grade);
    labelled('fleetDecisions', 'decision', (totals) => totals.by_decision);
    labelled('fleetExpectedFailures', 'horizon', (totals) => totals.expected_failures);
    labelled('fleetAtRisk', 'bound', (totals) => totals.at_least);
    this.onCollect('fleetValue', (gauge) => gauge.set(fleet.totals().expected_value));
    this.onCollect('fleetNewestReading', (gauge) => gauge.set((fleet.totals().newest_reading_at ?? NaN) / 1000));
  }

  private onCollect(key: MetricKey, collect: (gauge: Gauge) => void): void {
    const { name, help, labels } = METRICS[key];
    this.registry.removeSingleMetric(name);
    new Gauge({
      name,
      help,
      labelNames: [...labels],
      registers: [this.registry],
      collect() {
        collect(this);
      },
    });
  }

  private counter(key: MetricKey): Counter {
    return this.metric(key) as Counter;
  }

  private gauge(key: MetricKey): Gauge {
    return this.metric(key) as Gauge;
  }

  private histogram(key: MetricKey): Histogram {
    return this.metric(key) as Histogram;
  }

  private metric(key: MetricKey): unknown {
    return this.registry.getSingleMetric(METRICS[key].name);
  }
}

function register(registry: Registry, definition: MetricDefinition): void {
  const { name, help, labels, type, buckets } = definition;
  const common = { name, help, labelNames: [...labels], registers: [registry] };
  if (type === 'counter') new Counter(common);
  else if (type === 'gauge') new Gauge(common);
  else new Histogram({ ...common, buckets: [...buckets!] });
}

/** Maximum of the running span and the one before it: what a scrape misses in one it still sees in the next. */
class SlidingMax {
  private spanStartMs: number;
  private current = 0;
  private previous = 0;

  constructor(private readonly clock: Clock) {
    this.spanStartMs = clock.now();
  }

  add(value: number): void {
    this.roll();
    this.current = Math.max(this.current, value);
  }

  value(): number {
    this.roll();
    return Math.max(this.current, this.previous);
  }

  private roll(): void {
    const spans = Math.floor((this.clock.now() - this.spanStartMs) / MAX_SPAN_MS);
    if (spans <= 0) return;
    this.previous = spans === 1 ? this.current : 0;
    this.current = 0;
    this.spanStartMs += spans * MAX_SPAN_MS;
  }
}
