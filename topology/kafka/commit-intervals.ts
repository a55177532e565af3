import type { Config } from '../../schema/config.js';

/** For how long what comes is gathered into one unit of work. */
export interface CommitIntervals {
  readonly commitIntervalMs: number;
  /**
   * While there is more to read than was read. Each transaction costs the broker requests, and a marker in every
   * partition that it wrote to: who is behind, and so late anyway, does well with fewer of them.
   */
  readonly catchUpCommitIntervalMs: number;
}

/** 0 where there are no transactions to save: then a unit is what is read at a time. */
export function commitIntervals(
  guarantee: Config['kafka']['guarantee'],
  { commitIntervalMs, catchUpCommitIntervalMs }: CommitIntervals,
): CommitIntervals {
  if (guarantee === 'at-least-once') return { commitIntervalMs: 0, catchUpCommitIntervalMs: 0 };
  return { commitIntervalMs, catchUpCommitIntervalMs: Math.max(commitIntervalMs, catchUpCommitIntervalMs) };
}
