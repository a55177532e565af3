import { WINDOW_HOURS } from './prepare.js';
import { significant } from './statistics.js';

/** What was seen of processes together within a minute of wall clock. */
export interface Minute {
  /** Event time since the beginning, at the end of the minute. */
  readonly eventDays: number;
  readonly samples: number;
  /** Median and most. */
  readonly rssMb: number;
  readonly mostRssMb: number;
  /** Least that the JavaScript heap held, and what lies outside of it: what is left where it has just been collected. */
  readonly leastHeapMb: number;
  readonly leastExternalMb: number;
}

/** Windows are full after seven days; a day more until what that brought has settled. */
const FULL_DAYS = WINDOW_HOURS / 24 + 1;
const FEWEST_MINUTES = 3;

/**
 * Whether memory grows while windows are full: slope of the least squares line through those minutes, MB for an hour of
 * wall clock. Void where they are too few.
 */
export function growthOf(minutes: readonly Minute[]): object {
  const full = minutes.filter(({ eventDays }) => eventDays > FULL_DAYS);
  if (full.length < FEWEST_MINUTES)
    return {
      void: `windows were full for ${full.length} minutes, fewer than ${FEWEST_MINUTES}`,
      growthMbPerHour: null,
    };
  const growth = (of: (minute: Minute) => number): number => significant(60 * slope(full.map(of)), 3);
  return {
    void: null,
    fullMinutes: full.length,
    growthMbPerHour: {
      rss: growth(({ rssMb }) => rssMb),
      heap: growth(({ leastHeapMb }) => leastHeapMb),
      external: growth(({ leastExternalMb }) => leastExternalMb),
    },
  };
}

function slope(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const products = values.reduce((sum, value, index) => sum + (index - middle) * (value - mean), 0);
  return products / values.reduce((sum, _, index) => sum + (index - middle) ** 2, 0);
}
