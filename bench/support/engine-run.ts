import { setTimeout as delay } from 'node:timers/promises';
import { TOPICS, topicName, type TopicKey } from '../../schema/topics.js';
import { createTopics } from '../../topology/kafka/topics-admin.js';
import type { RoleName } from '../../topology/runtime.js';
import type { Cluster } from './cluster.js';
import { EngineProcesses } from './engine-process.js';
import { byLabel, sumOf, type Series } from './exposition.js';
import type { KafkaAdmin } from './kafka-admin.js';
import type { Count } from './observation.js';
import { observe, type Observed } from './observe.js';
import { connectionTo, fillWindows, START_MS } from './prepare.js';

/** One run of engine processes over a prepared stream, on empty state. */
export interface EngineRun {
  readonly processes: readonly (readonly RoleName[])[];
  readonly config: object;
  readonly sets: readonly string[];
  readonly nodeFlags?: readonly string[];
  readonly partitions: number;
  readonly gpus: number;
  /** Fill the windows with seven days of hourly readings first. */
  readonly prefill: boolean;
  /** Samples of the stream that are counted. */
  readonly samples: number;
  /** Samples of the stream before those, which fill the windows where ingest runs too; none if left out. */
  readonly before?: number;
  /** Writes what the engine reads that is bound to the topic prefix, if anything is. */
  readonly prepare?: (topicPrefix: string) => Promise<void>;
  /** Samples done, where the engine's own count of samples in windows does not tell. */
  readonly done?: (topicPrefix: string) => Promise<number>;
  readonly everyMs?: number;
}

export interface EngineObserved extends Observed {
  readonly rows: readonly Count[];
  /** Longest wait of a due GPU for its score, ms, by look. */
  readonly waits: readonly Count[];
  /** Longest pause of any process's event loop, by look. */
  readonly pauses: readonly Count[];
  readonly skipped: number;
  readonly deadLetters: number;
  /** Records in the engine's topics at the end. */
  readonly written: Readonly<Partial<Record<TopicKey, number>>>;
  /** Samples of each process, by its own count. */
  readonly share: readonly number[];
}

const SETTLE_TIMEOUT_MS = 30_000;
let runs = 0;

export async function runEngine(cluster: Cluster, admin: KafkaAdmin, run: EngineRun): Promise<EngineObserved> {
  const topicPrefix = `bench-${Date.now()}-${++runs}.`;
  if (cluster.kind !== 'embedded') await createTopics(connectionTo(cluster, topicPrefix), run.partitions, -1);
  const ingests = run.processes.some((roles) => roles.includes('ingest'));
  // While windows are restored ingest would run ahead, and its work be done before anything is measured.
  if (run.prefill && ingests) throw new Error('windows can be filled before only where ingest does not run');
  const filled = run.prefill ? await fillWindows(cluster, admin, topicPrefix, run.gpus, START_MS) : 0;
  const before = filled + (run.before ?? 0);
  await run.prepare?.(topicPrefix);
  const engine = await EngineProcesses.start(cluster, {
    processes: run.processes,
    config: { ...run.config, kafka: { brokers: cluster.brokers, topicPrefix, partitions: run.partitions } },
    sets: run.sets,
    nodeFlags: run.nodeFlags,
  });
  try {
    const rows: Count[] = [];
    const waits: Count[] = [];
    const pauses: Count[] = [];
    const worst = (name: string): number => 1000 * Math.max(...last.map((series) => series.get(name) ?? 0));
    let last: Series[] = [];
    const observed = await observe({
      processes: engine.all.map(({ running }) => running),
      brokerPid: cluster.pid,
      until: run.samples,
      everyMs: run.everyMs,
      look: async () => {
        last = await engine.metrics();
        const atMs = performance.now();
        rows.push({ atMs, count: sumOf(last, 'gpu_actuary_score_rows_total') });
        waits.push({ atMs, count: worst('gpu_actuary_score_longest_wait_seconds') });
        pauses.push({ atMs, count: worst('nodejs_eventloop_lag_max_seconds') });
        if (run.done !== undefined) return run.done(topicPrefix);
        // Below 0 while the windows are being filled.
        const done = sumOf(last, 'gpu_actuary_score_samples_total') - before;
        return { done, begun: ingests ? ingestedOf(last) - before : done };
      },
    });
    if (run.done === undefined) await countedOnce(engine, before + run.samples);
    const written: Partial<Record<TopicKey, number>> = {};
    for (const key of ['samples', 'features', 'predictions', 'health', 'decisions', 'panes', 'deadLetter'] as const)
      written[key] = await admin.written(topicName(topicPrefix, key));
    return {
      ...observed,
      rows,
      waits,
      pauses,
      skipped: sumOf(last, 'gpu_actuary_score_due_points_skipped_total'),
      deadLetters: Object.values(byLabel(last, 'gpu_actuary_dead_letters_total', 'code')).reduce((a, b) => a + b, 0),
      written,
      share: last.map((series) =>
        run.done === undefined ? (series.get('gpu_actuary_score_samples_total') ?? 0) : ingestedOf([series]),
      ),
    };
  } finally {
    await engine.stop();
    await admin.deleteTopics((Object.keys(TOPICS) as TopicKey[]).map((key) => topicName(topicPrefix, key)));
  }
}

/** Samples that ingest made of raw messages. */
const ingestedOf = (all: readonly Series[]): number =>
  Object.values(byLabel(all, 'gpu_actuary_ingest_samples_total', 'source')).reduce((a, b) => a + b, 0);

/** Partitions that change hands are read twice; then the engine's count of samples is not that of the stream. */
async function countedOnce(engine: EngineProcesses, expected: number): Promise<void> {
  const until = performance.now() + SETTLE_TIMEOUT_MS;
  let counted = NaN;
  while (performance.now() < until) {
    const before = counted;
    counted = sumOf(await engine.metrics(), 'gpu_actuary_score_samples_total');
    if (counted === expected && before === expected) return;
    if (counted > expected) break;
    await delay(200);
  }
  throw new RunSpoilt(`${counted} samples were counted and ${expected} are there: partitions changed hands in the run`);
}

/** What was measured is not what was meant; again may do. */
export class RunSpoilt extends Error {}
