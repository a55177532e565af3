import { quantile, significant } from './statistics.js';

export interface LatencyFigures {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** @param sorted latencies, ascending, ms; null where there are none */
export function latencyFigures(sorted: Float64Array): LatencyFigures | null {
  if (sorted.length === 0) return null;
  const at = (share: number): number => significant(quantile(sorted, share), 4);
  return { p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999), maxMs: at(1) };
}
