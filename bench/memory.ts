import { join } from 'node:path';
import { packageRoot } from '../schema/package-root.js';
import { measure } from './support/measure.js';
import { pick } from './support/pick.js';
import { measuredBy } from './support/processes.js';
import { provenance } from './support/provenance.js';
import { say } from './support/say.js';
import { significant } from './support/statistics.js';
import { FleetWindows } from './support/windows.js';

const FILLED_HOURS = 168;
const BARE_ROUNDS = 50;
/** Resident memory of the peers with the same windows of 10,000 GPUs, MB: Flink 2.1 and Kafka Streams 4.1, heap state. */
const PEERS_RSS_MB = { flink: 2130, kafkaStreams: 2220 };

export interface MemoryOptions {
  /** Sizes of fleets. */
  readonly gpus: readonly number[];
  readonly featureSet: 'v1' | 'v2';
}

/**
 * Windows of fleets with seven full days in them: what a GPU takes, and what the process takes. What every benchmark
 * answers with is of the first; each of several is measured in a process of its own.
 */
export async function benchMemory({ gpus, featureSet }: MemoryOptions): Promise<object> {
  if (gpus.length === 1) return memoryOf(gpus[0], featureSet);
  const fleets: Record<string, unknown>[] = [];
  for (const size of gpus) fleets.push(await inProcess(size, featureSet));
  return { ...fleets[0], fleets: fleets.map((fleet) => pick(fleet, FIGURES)) };
}

const FIGURES = ['gpus', 'bytesPerGpu', 'rssBytesPerGpu', 'rssMb', 'peersRssMb', 'fillSeconds'];

async function inProcess(gpus: number, featureSet: string): Promise<Record<string, unknown>> {
  const main = join(packageRoot(), 'dist', 'bench', 'main.js');
  const result = await measuredBy<Record<string, unknown>>([
    '--expose-gc',
    ...[main, 'memory', '--gpus', String(gpus), '--feature-set', featureSet, '--json'],
  ]);
  say(`${gpus} GPUs: ${String(result.bytesPerGpu)} bytes a GPU, ${String(result.rssMb)} MB`);
  return result;
}

async function memoryOf(gpus: number, featureSet: 'v1' | 'v2'): Promise<object> {
  const fleet = new FleetWindows(gpus, 1, { featureSet });
  const rssBefore = process.memoryUsage.rss();
  const filled = await measure(() => fleet.fill(FILLED_HOURS));
  const { seconds } = filled;
  const samples = fleet.samplesFolded;
  const bare = await measure(() => {
    for (let round = 0; round < BARE_ROUNDS; round++) fleet.readBare();
  });
  say(`filled ${FILLED_HOURS} hours of ${gpus} GPUs in ${seconds.toFixed(0)} s`);
  globalThis.gc?.();
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  return {
    bench: 'memory',
    featureSet,
    gpus,
    hours: FILLED_HOURS,
    // Of filling: hourly, two samples an hour, so an hour is closed with every second one.
    samplesPerSecond: significant(samples / seconds, 4),
    bareSamplesPerSecond: significant((BARE_ROUNDS * gpus) / bare.seconds, 4),
    ratio: significant(((samples / seconds) * bare.seconds) / (BARE_ROUNDS * gpus), 4),
    cpuMicrosPerSample: significant((1e6 * filled.cpuSeconds) / samples, 4),
    bytesPerGpu: Math.round(fleet.store.bytes / gpus),
    rssBytesPerGpu: Math.round((rss - rssBefore) / gpus),
    rssMb: Math.round(rss / 1e6),
    rssMbBefore: Math.round(rssBefore / 1e6),
    arrayBuffersMb: Math.round(arrayBuffers / 1e6),
    heapUsedMb: Math.round(heapUsed / 1e6),
    fillSeconds: Math.round(seconds),
    ...(gpus === 10_000 ? { peersRssMb: PEERS_RSS_MB } : {}),
    ...provenance(),
  };
}
