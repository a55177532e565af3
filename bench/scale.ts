import { join } from 'node:path';
import { packageRoot } from '../schema/package-root.js';
import type { Cluster } from './support/cluster.js';
import type { ThroughputOptions } from './support/options.js';
import { pick } from './support/pick.js';
import { measuredBy } from './support/processes.js';
import { provenance } from './support/provenance.js';
import { openQuestion } from './support/raw-question.js';
import { say } from './support/say.js';
import { significant } from './support/statistics.js';

export interface ScaleOptions extends Omit<ThroughputOptions, 'processes'> {
  readonly format: string;
  /** Processes in one consumer group, one measurement each. */
  readonly counts: readonly number[];
  /** Sizes of fleets, for the cost of a sample in the windows. */
  readonly fleets: readonly number[];
  readonly featureSet: 'v1' | 'v2';
}

interface FoldCost {
  readonly gpus: number;
  readonly microsPerSample: number;
  readonly microsPerFeatureRow: number;
  readonly rssMb: number;
}

const FOLD_SAMPLES = 4_000_000;

/** What more processes bring, and what a larger fleet costs a sample. */
export async function benchScale(cluster: Cluster, options: ScaleOptions): Promise<object> {
  const byProcesses: Record<string, unknown>[] = [];
  for (const processes of options.counts) {
    say(`${processes} ${processes === 1 ? 'process' : 'processes'}`);
    byProcesses.push(
      (await openQuestion(
        cluster,
        { ...options, processes },
        { bench: 'scale', roles: ['ingest', 'score'], scores: true },
      )) as Record<string, unknown>,
    );
  }
  const byFleet: FoldCost[] = [];
  for (const gpus of options.fleets) {
    const cost = await foldCost(gpus, options.featureSet);
    say(`${gpus} GPUs: ${cost.microsPerSample} µs a sample in the windows`);
    byFleet.push(cost);
  }
  const first = byProcesses[0];
  const costs = byFleet.map(({ microsPerSample }) => microsPerSample);
  return {
    bench: 'scale',
    void: byProcesses.map((one) => one.void).find((reason) => typeof reason === 'string') ?? null,
    // What every benchmark answers with, here of the most processes.
    ...pick(byProcesses.at(-1)!, ['samplesPerSecond', 'bareSamplesPerSecond', 'ratio', 'cpuMicrosPerSample', 'rssMb']),
    processes: byProcesses.map((one, index) => ({
      processes: options.counts[index],
      ...pick(one, [
        'samplesPerSecond',
        'samplesPerSecondSpread',
        'bareSamplesPerSecond',
        'cpuMicrosPerSample',
        'rssMb',
        'shareOfProcesses',
        'void',
      ]),
      timesOne: significant((one.samplesPerSecond as number) / (first.samplesPerSecond as number), 3),
    })),
    fleets: byFleet,
    fleetGrowth: costs.length === 0 ? null : significant(Math.max(...costs) / costs[0], 3),
    settings: {
      ...(first.settings as object),
      processes: options.counts,
      fleetFeatureSet: options.featureSet,
    },
    ...provenance(cluster.version),
  };
}

function foldCost(gpus: number, featureSet: string): Promise<FoldCost> {
  return measuredBy<FoldCost>([
    // A million GPUs' names and slots are more than the default heap takes.
    '--max-old-space-size=8192',
    join(packageRoot(), 'dist', 'bench', 'fold-cost.js'),
    ...['--gpus', String(gpus)],
    ...['--samples', String(FOLD_SAMPLES)],
    ...['--feature-set', featureSet],
  ]);
}
