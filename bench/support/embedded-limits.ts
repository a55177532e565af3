import type { Cluster } from './cluster.js';
import type { ThroughputOptions } from './options.js';
import { say } from './say.js';

/** The in-process cluster forgets all but the newest 5 MiB of a partition: so much fits. */
const GPUS = 500;
const SAMPLES = 30_000;
const PARTITIONS = 4;
/** Its groups come together one member at a time, which a second process of such a short run would spend waiting. */
const PROCESSES = 1;

/** Cuts a benchmark down to what the in-process cluster can hold, and says so. */
export function withinLimits<T extends Omit<ThroughputOptions, 'processes'> & { readonly processes?: number }>(
  cluster: Cluster,
  options: T,
): T {
  if (cluster.kind !== 'embedded') return options;
  say(`the in-process cluster holds little: at most ${GPUS} GPUs and ${SAMPLES} samples, windows not filled before`);
  return {
    ...options,
    gpus: Math.min(options.gpus, GPUS),
    samples: Math.min(options.samples, SAMPLES),
    partitions: PARTITIONS,
    processes: Math.min(options.processes ?? PROCESSES, PROCESSES),
    prefill: false,
  };
}
