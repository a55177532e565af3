import { openQuestion } from './support/raw-question.js';
import type { Cluster } from './support/cluster.js';
import type { ThroughputOptions } from './support/options.js';

/** Raw messages through the ingest role alone: decoded, re-keyed, acknowledged in gpu.samples, committed. */
export function benchIngest(cluster: Cluster, options: ThroughputOptions & { format: string }): Promise<object> {
  return openQuestion(cluster, options, { bench: 'ingest', roles: ['ingest'], scores: false });
}
