import { ActuaryError } from '../../schema/errors.js';
import type { LagProbe } from '../kafka/lag-probe.js';
import { keyOf } from '../kafka/log.js';

/**
 * Since when what was sent to the raw partitions is known to have come through ingest. While ingest is behind, stands
 * still or is unknown, nobody's silence means anything.
 */
export class Currency {
  /** By partition: where it ended at the last look. */
  private readonly ends = new Map<string, number>();
  private readonly since = new Map<string, number>();
  private readonly byTopic = new Map<string, number>();
  private readonly used = new Set<string>();
  private isKnown = false;

  constructor(private readonly probe: Pick<LagProbe, 'positions'>) {}

  /** @param nowMs monotonic */
  async look(nowMs: number): Promise<void> {
    let positions: Awaited<ReturnType<LagProbe['positions']>>;
    try {
      positions = await this.probe.positions();
    } catch (error) {
      if (!(error instanceof ActuaryError)) throw error;
      // The broker does not answer: what was known begins anew.
      this.since.clear();
      this.byTopic.clear();
      this.isKnown = false;
      return;
    }
    this.byTopic.clear();
    for (const { topic, partition, next, end } of positions) {
      const key = keyOf({ topic, partition });
      const before = this.ends.get(key);
      this.ends.set(key, end);
      if (end > 0) this.used.add(topic);
      // Up to where it ended a look ago, everything must have come through; what came since may be on its way.
      // A marker of a transaction takes an offset too, and is never read.
      if (before === undefined || next + 1 < before) this.since.delete(key);
      else if (!this.since.has(key)) this.since.set(key, nowMs);
      this.byTopic.set(topic, Math.max(this.byTopic.get(topic) ?? -Infinity, this.since.get(key) ?? Infinity));
    }
    this.isKnown = true;
  }

  /** Topics that anything was ever sent to. */
  get topics(): Iterable<string> {
    return this.used;
  }

  /** Monotonic ms; Infinity where it is not current. A partition of −1 stands for all of a topic's. */
  sinceOf(topic: string, partition: number): number {
    if (!this.isKnown) return Infinity;
    // Another program writes gpu.samples from sources that this one is not configured with.
    if (!this.byTopic.has(topic)) return -Infinity;
    if (partition < 0) return this.byTopic.get(topic)!;
    return this.since.get(keyOf({ topic, partition })) ?? Infinity;
  }
}
