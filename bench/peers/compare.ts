import { drainBare } from '../support/bare.js';
import type { Cluster } from '../support/cluster.js';
import { runEngine, type EngineObserved } from '../support/engine-run.js';
import { judgeFloor } from '../support/floor.js';
import type { KafkaAdmin } from '../support/kafka-admin.js';
import { peakPssMb, peakRssMb, stretch, timesOf, type Stretch } from '../support/observation.js';
import type { Observed } from '../support/observe.js';
import { gpuMinutes } from '../support/prepare.js';
import { THROUGHPUT_CONFIG } from '../support/raw-question.js';
import { significant, spreadOf } from '../support/statistics.js';
import { unspoilt } from '../support/throughput.js';
import type { PeerPrograms } from './build.js';
import type { PeersOptions } from './options.js';
import { runPeer, type PeerName } from './run.js';
import type { Prepared } from './topics.js';

/** Share of a run that is left out of its steady stretch. */
const WARM_UP = 0.2;

/** What one run of the engine or of a peer gave. */
export interface Outcome {
  readonly steady: Stretch;
  readonly whole: Stretch;
  readonly rssMb: number;
  /** What its processes share counted once. */
  readonly pssMb: number;
  /** Of the engine: rows scored, due points skipped for newer ones, and records written, all of the run. */
  readonly work?: EngineWork;
  /** Why it does not count; null where it does. */
  readonly void: string | null;
}

interface EngineWork {
  readonly rowsScored: number;
  readonly duePointsSkipped: number;
  readonly recordsWritten: EngineObserved['written'];
}

export interface Ground {
  readonly cluster: Cluster;
  readonly admin: KafkaAdmin;
  readonly programs: PeerPrograms;
  readonly prepared: Prepared;
  readonly options: PeersOptions;
}

export async function measureEngine({ cluster, admin, prepared, options }: Ground): Promise<Outcome> {
  const { records, topic, before } = prepared;
  const engine = await unspoilt(() =>
    runEngine(cluster, admin, {
      processes: Array.from({ length: options.processes }, () => ['ingest', 'score'] as const),
      config: { ...THROUGHPUT_CONFIG, sources: [{ topics: [topic], format: 'wide-json-flat', keyed: true }] },
      sets: [`kafka.guarantee=${options.guarantee}`, ...options.set],
      partitions: options.partitions,
      gpus: options.gpus,
      prefill: false,
      before,
      samples: records,
    }),
  );
  const [fromMs, untilMs] = timesOf(engine.points, WARM_UP * records, records);
  return {
    ...figures(engine, records),
    work: {
      rowsScored: engine.rows.at(-1)?.count ?? 0,
      duePointsSkipped: engine.skipped,
      recordsWritten: engine.written,
    },
    void: judgeFloor({
      gpus: options.gpus,
      rows: engine.rows,
      waits: engine.waits,
      fromMs,
      untilMs,
      featureRecords: engine.written.features ?? 0,
      // Of what fills the windows, each reading is of a minute of its own.
      featureRecordsOwed: before + gpuMinutes(options, records),
    }),
  };
}

/** As many bare consumers as the engine has processes, which count records and do nothing else. */
export async function measureBare({ cluster, prepared, options }: Ground): Promise<Outcome> {
  const { topic } = prepared;
  const records = prepared.before + prepared.records;
  const observed = await drainBare(cluster, {
    ...{ topic, records, processes: options.processes },
    client: 'kafkajs',
    parse: false,
  });
  return { ...figures(observed, records), void: null };
}

export async function measurePeer(ground: Ground, peer: PeerName, heap: string): Promise<Outcome> {
  const { cluster, admin, programs, prepared, options } = ground;
  const { records, before } = prepared;
  const observed = await runPeer(cluster, admin, programs, {
    ...{ peer, heap, ...prepared },
    guarantee: options.guarantee,
    emit: options.emit,
    partitions: options.partitions,
  });
  const owed = before + (options.emit === 'record' ? records : gpuMinutes(options, records));
  return {
    ...figures(observed, records),
    void: observed.written < owed ? `${observed.written} feature vectors were written, and ${owed} are owed` : null,
  };
}

function figures(observed: Observed, records: number): Omit<Outcome, 'void' | 'work'> {
  const { points } = observed;
  return {
    steady: stretch(points, WARM_UP * records, records),
    // From the first look that saw any: what starting takes is not what is compared.
    whole: stretch(points, points.find(({ done }) => done > 0)?.done ?? 0, records),
    rssMb: peakRssMb(points),
    pssMb: peakPssMb(points),
  };
}

export type Summary = {
  readonly recordsPerSecond: number;
  readonly cpuMicrosPerRecord: number;
  readonly rssMb: number;
  readonly pssMb: number;
} & Record<string, unknown>;

/** Medians and spreads of repeats. */
export function summaryOf(outcomes: readonly Outcome[]): Summary {
  const over = (figure: (outcome: Outcome) => number) => spreadOf(outcomes.map(figure));
  const rate = over(({ steady }) => steady.perSecond);
  const cpu = over(({ steady }) => steady.cpuMicros);
  return {
    recordsPerSecond: rate.median,
    recordsPerSecondSpread: [rate.min, rate.max],
    wholeRunRecordsPerSecond: over(({ whole }) => whole.perSecond).median,
    cpuMicrosPerRecord: cpu.median,
    cpuMicrosPerRecordSpread: [cpu.min, cpu.max],
    brokerCpuMicrosPerRecord: over(({ steady }) => steady.brokerCpuMicros).median,
    rssMb: Math.round(over(({ rssMb }) => rssMb).max),
    pssMb: Math.round(over(({ pssMb }) => pssMb).max),
    ...(outcomes[0]?.work === undefined ? {} : { work: outcomes.map(({ work }) => work) }),
    void: outcomes.flatMap((outcome) => outcome.void ?? [])[0] ?? null,
  };
}

/** Of the engine to a peer: rate above 1, CPU and memory below 1 are in the engine's favour. */
export function ratios(engine: Summary, peer: Summary, smallestHeap?: { readonly pssMb: number }): object {
  return {
    recordsPerSecond: significant(engine.recordsPerSecond / peer.recordsPerSecond, 3),
    cpuMicrosPerRecord: significant(engine.cpuMicrosPerRecord / peer.cpuMicrosPerRecord, 3),
    rssMb: significant(engine.rssMb / peer.rssMb, 3),
    pssMb: significant(engine.pssMb / peer.pssMb, 3),
    ...(smallestHeap === undefined ? {} : { pssMbAtSmallestHeap: significant(engine.pssMb / smallestHeap.pssMb, 3) }),
  };
}

export function told(name: string, { steady, rssMb, pssMb, work, void: reason }: Outcome): string {
  const written = Object.values(work?.recordsWritten ?? {}).reduce((sum, count) => sum + count, 0);
  return (
    `${name}: ${Math.round(steady.perSecond / 1000)}k/s at ${steady.cpuMicros.toFixed(2)} µs of CPU, ${Math.round(rssMb)} MB (PSS ${Math.round(pssMb)} MB)` +
    (work === undefined
      ? ''
      : `; ${work.rowsScored} rows scored, ${work.duePointsSkipped} due points skipped, ${written} records written`) +
    (reason === null ? '' : `; VOID: ${reason}`)
  );
}
