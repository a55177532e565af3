/**
 * Every metric the engine exposes: name, type, labels and meaning, in this one home. Names follow Prometheus's rules:
 * base units, counters end in _total. No label names a GPU: a fleet of 10,000 would be 10,000 series a metric, and
 * what concerns one GPU is in the API and in Kafka.
 */

export type MetricType = 'counter' | 'gauge' | 'histogram';

export interface MetricDefinition {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram, in the metric's unit. */
  readonly buckets?: readonly number[];
}

const counter = (name: string, help: string, ...labels: string[]): MetricDefinition => ({
  name: `gpu_actuary_${name}_total`,
  type: 'counter',
  help,
  labels,
});
const gauge = (name: string, help: string, ...labels: string[]): MetricDefinition => ({
  name: `gpu_actuary_${name}`,
  type: 'gauge',
  help,
  labels,
});
const seconds = (name: string, help: string, buckets: readonly number[], ...labels: string[]): MetricDefinition => ({
  name: `gpu_actuary_${name}_seconds`,
  type: 'histogram',
  help,
  labels,
  buckets,
});

/** From a millisecond to a minute: a unit of work is meant to take well under a second. */
const WORK_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];
/** Requests are answered from memory, but for history. */
const REQUEST_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

export const METRICS = {
  buildInfo: gauge('build_info', 'Always 1; the labels tell the build', 'version', 'commit', 'node'),
  roleReady: gauge('role_ready', '1 if the role is ready, else 0', 'role'),

  ingestMessages: counter('ingest_messages', 'Raw messages read', 'source'),
  ingestSamples: counter('ingest_samples', 'Samples that raw messages gave', 'source'),
  ingestLateness: gauge(
    'ingest_lateness_seconds',
    'From the record timestamp of the newest raw message read to when it was read',
    'source',
  ),
  readingsRejected: counter('readings_rejected', 'Readings that do not count, by reason', 'reason'),
  deadLetters: counter('dead_letters', 'Dead letters written, by code', 'code'),

  scoreSamples: counter('score_samples', 'Samples folded into windows'),
  scoreRows: counter('score_rows', 'Feature rows scored'),
  scoreSkipped: counter('score_due_points_skipped', 'Stale due points passed over while behind (score.adaptive)'),
  scoreLongestWait: gauge(
    'score_longest_wait_seconds',
    'Longest that a due GPU has waited for the model in the last unit of work; above 0 only while behind',
  ),
  scoreLateness: gauge(
    'score_lateness_seconds',
    'From the event time of the newest sample of the last unit of work to its commit: how old predictions are at best',
  ),
  scoreUndecided: counter('score_undecided', 'Decisions that were due and could not be made, by code', 'code'),
  scoreUnit: seconds('score_unit', 'Time of a unit of work, from its poll to its commit', WORK_SECONDS),
  scoreModel: seconds('score_model', 'Time in the model and in assessing its answers, a unit of work', WORK_SECONDS),
  scoreLatency: seconds(
    'score_latency',
    'From the write of the oldest batch of a unit to gpu.samples to the acknowledgement of its outputs',
    WORK_SECONDS,
  ),
  scoreLatencyMax: gauge(
    'score_latency_max_seconds',
    'Longest latency of the last one to two minutes; averages hide the one that waits',
  ),
  modelInForce: gauge('model_info', 'Always 1; the labels tell the model in force', 'model_version', 'run_id'),
  modelSwitches: counter('model_switches', 'Times that another model began to answer'),
  modelsRefused: counter('models_refused', 'Models that were refused, by code; the one before goes on', 'code'),
  gpusTracked: gauge('score_gpus', 'GPUs with a window in this process'),
  windowBytes: gauge('score_window_bytes', 'Memory of the windows in this process'),

  alertsFiring: gauge('alerts_firing', 'Alerts that fire, by name; told by the instance that watches', 'alert'),
  gpusSilent: gauge('gpus_silent', 'GPUs that stopped reporting; told by the instance that watches'),

  recordsWritten: counter('records_written', "Records written to the engine's topics", 'topic'),
  lag: gauge('lag_records', 'Records between what a role has committed and the end of its topics', 'role'),
  buffered: gauge(
    'buffered_bytes',
    'Most that a role held of what it had read and not written, in the last one to two minutes, without its clients',
    'role',
  ),
  bufferLimit: gauge('buffer_limit_bytes', "A role's share of memory.bufferMb, its clients included", 'role'),
  offsetGaps: counter(
    'offset_gaps',
    'Times that what was to be read next was gone: expired or made anew',
    'role',
    'cause',
  ),
  offsetsLost: counter('offsets_lost', 'Offsets that retention took before they were read', 'role'),
  clientWarnings: counter('kafka_client_warnings', 'Warnings of the Kafka client', 'role'),

  loadRows: counter('load_rows', 'Rows committed to the database', 'table'),
  loadCommits: counter('load_commits', 'Database transactions committed'),
  loadRetries: counter('load_retries', 'Database transactions tried again'),
  loadFenced: counter('load_fenced', 'Database transactions refused because the offsets had moved already'),
  loadWaiting: gauge('load_waiting_seconds', 'How long the database has been waited for; 0 while it answers'),
  loadCommit: seconds('load_commit', 'Time of a database transaction, COPY included', WORK_SECONDS),

  httpRequests: counter('http_requests', 'HTTP requests answered', 'method', 'route', 'status'),
  httpRequest: seconds('http_request', 'Time to answer an HTTP request', REQUEST_SECONDS, 'route'),
  liveClients: gauge('http_live_clients', 'Clients of the live event stream'),

  fleetGpus: gauge('fleet_gpus', 'GPUs by health grade; none: not graded', 'grade'),
  fleetDecisions: gauge('fleet_gpus_by_decision', 'GPUs by recommended decision; none: no decision', 'decision'),
  fleetExpectedFailures: gauge(
    'fleet_expected_failures',
    'Failures to expect within the horizon: sum of the probabilities',
    'horizon',
  ),
  fleetAtRisk: gauge(
    'fleet_gpus_at_risk',
    'GPUs whose probability of failure within 30 days is at least the bound',
    'bound',
  ),
  fleetValue: gauge('fleet_expected_value_dollars', 'Sum of the value of the recommended options, USD'),
  fleetNewestReading: gauge(
    'fleet_newest_reading_timestamp_seconds',
    'Event time of the newest reading that any record tells of',
  ),
} as const satisfies Record<string, MetricDefinition>;

export type MetricKey = keyof typeof METRICS;
