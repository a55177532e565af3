import { openQuestion } from './support/raw-question.js';
import type { Cluster } from './support/cluster.js';
import type { ThroughputOptions } from './support/options.js';

/** Raw messages through ingest and score, in the same processes: what a deployment of one machine does. */
export function benchEngine(cluster: Cluster, options: ThroughputOptions & { format: string }): Promise<object> {
  return openQuestion(cluster, options, { bench: 'engine', roles: ['ingest', 'score'], scores: true });
}
