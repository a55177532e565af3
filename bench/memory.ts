import { measure } from './support/measure.js';
import { provenance } from './support/provenance.js';
import { say } from './support/say.js';
import { significant } from './support/statistics.js';
import { FleetWindows } from './support/windows.js';

const FILLED_HOURS = 168;
const BARE_ROUNDS = 50;
/** Resident memory of the peers with the same windows of 10,000 GPUs, MB: Flink 2.1 and Kafka Streams 4.1, heap state. */
const PEERS_RSS_MB = { flink: 2130, kafkaStreams: 2220 };

/** Windows of a fleet with seven full days in them: what a GPU takes, all included, and what the process takes. */
export async function benchMemory(options: {
  readonly gpus: number;
  readonly featureSet?: 'v1' | 'v2';
}): Promise<object> {
  const { gpus } = options;
  const fleet = new FleetWindows(gpus, 1, { featureSet: options.featureSet });
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
    featureSet: options.featureSet ?? 'v2',
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
