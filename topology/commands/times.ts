import { InvalidArgumentError } from 'commander';
import { parseIsoTime } from '../../operators/decode/time.js';
import { DAY_MS, HOUR_MS, MINUTE_MS, systemClock } from '../../schema/clock.js';

/** Times as they are given on the command line. */

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS };
const SPAN = /^(\d+)([smhd])$/;

/** Epoch ms of an ISO 8601 time. */
export function parseTime(text: string): number {
  const time = parseIsoTime(text);
  if (Number.isNaN(time)) throw new InvalidArgumentError('expected an ISO 8601 time');
  return time;
}

/** Epoch ms of a time, or of so long ago. */
export function parseSince(text: string): number {
  const span = SPAN.exec(text);
  const time = span === null ? parseIsoTime(text) : systemClock.now() - spanMs(span);
  if (Number.isNaN(time)) throw new InvalidArgumentError('expected 90s, 15m, 2h, 7d, or an ISO 8601 time');
  return Math.max(0, time);
}

/** Milliseconds of a span, such as 1d. */
export function parseSpan(text: string): number {
  const span = SPAN.exec(text);
  if (span === null || Number(span[1]) === 0) throw new InvalidArgumentError('expected 90s, 15m, 2h or 7d');
  return spanMs(span);
}

function spanMs([, count, unit]: RegExpExecArray): number {
  return Number(count) * UNITS_MS[unit];
}
