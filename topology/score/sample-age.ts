import { HOUR_MS } from '../../schema/clock.js';
import { TOPICS } from '../../schema/topics.js';
import type { Log } from '../roles/role.js';

const RETENTION_MS = Number(TOPICS.samples.config['retention.ms']);

/** Warns once when the role is far behind: it loses what retention takes before it gets there. */
export class SampleAge {
  private isFar = false;

  constructor(private readonly log: Log) {}

  /** @param ageMs how long a batch that was just read had been in gpu.samples */
  watch(ageMs: number): void {
    const isFar = ageMs > RETENTION_MS / 2;
    if (isFar && !this.isFar)
      this.log.warn(
        { role: 'score', hoursBehind: Math.round(ageMs / HOUR_MS) },
        'more than half of the retention of gpu.samples behind: what is not read in time is lost',
      );
    this.isFar = isFar;
  }
}
