import { provenance } from './support/provenance.js';
import { say } from './support/say.js';
import { FleetWindows } from './support/windows.js';

const FILLED_HOURS = 168;
/** Resident memory of the peers with the same windows of 10,000 GPUs, MB: Flink 2.1 and Kafka Streams 4.1, heap state. */
const PEERS_RSS_MB = { flink: 2130, kafkaStreams: 2220 };

/** Windows of a fleet with seven full days in them: what a GPU takes, all included, and what the process takes. */
export function benchMemory(options: { readonly gpus: string; readonly featureSet?: 'v1' | 'v2' }): Promise<object> {
  const gpus = Number(options.gpus);
  const fleet = new FleetWindows(gpus, 1, { featureSet: options.featureSet });
  const rssBefore = process.memoryUsage.rss();
  const started = performance.now();
  fleet.fill(FILLED_HOURS);
  const seconds = (performance.now() - started) / 1000;
  say(`filled ${FILLED_HOURS} hours of ${gpus} GPUs in ${seconds.toFixed(0)} s`);
  globalThis.gc?.();
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  return Promise.resolve({
    bench: 'memory',
    featureSet: options.featureSet ?? 'v2',
    gpus,
    hours: FILLED_HOURS,
    bytesPerGpu: Math.round(fleet.store.bytes / gpus),
    rssBytesPerGpu: Math.round((rss - rssBefore) / gpus),
    rssMb: Math.round(rss / 1e6),
    rssMbBefore: Math.round(rssBefore / 1e6),
    arrayBuffersMb: Math.round(arrayBuffers / 1e6),
    heapUsedMb: Math.round(heapUsed / 1e6),
    fillSeconds: Math.round(seconds),
    ...(gpus === 10_000 ? { peersRssMb: PEERS_RSS_MB } : {}),
    ...provenance(),
  });
}
