import { isoMs } from '../../schema/dates.js';
import { ActuaryError } from '../../schema/errors.js';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../schema/clock.js';

/** At which event times a replay evaluates each GPU. */
export type AsOf =
  /** At the GPU's newest event time, once. */
  | { readonly kind: 'last' }
  /** At each multiple of a period after its first reading, up to its newest. */
  | { readonly kind: 'every'; readonly periodMs: number }
  /** At one given time, from the readings up to it. */
  | { readonly kind: 'at'; readonly timeMs: number };

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS };

/** Milliseconds of a duration such as 30s, 15m, 1h or 1d; NaN where it is none. */
export function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(s|m|h|d)$/.exec(text);
  const ms = match === null ? NaN : Number(match[1]) * UNITS[match[2]];
  return ms >= 1 ? ms : NaN;
}

/** Reads `last`, `every:1h` or an ISO time. @throws ActuaryError usage */
export function parseAsOf(text: string): AsOf {
  if (text === 'last') return { kind: 'last' };
  if (text.startsWith('every:')) {
    const periodMs = durationMs(text.slice('every:'.length));
    if (!Number.isNaN(periodMs)) return { kind: 'every', periodMs };
  } else {
    const timeMs = isoMs(text);
    if (!Number.isNaN(timeMs)) return { kind: 'at', timeMs };
  }
  throw new ActuaryError(
    'usage',
    `--as-of ${text}: expected last, every:1h (or 15m, 1d) or a time like 2026-01-31T12:00:00Z`,
  );
}
