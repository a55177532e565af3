import { parseIsoTime } from '../../operators/decode/time.js';
import { DAY_MS, HOUR_MS, MINUTE_MS, systemClock } from '../../schema/clock.js';
import { ActuaryError } from '../../schema/errors.js';

/** Times as they are given on the command line: each makes what reads the text of an option. @throws ActuaryError usage */

type Reader = (text: string) => number;

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS };
const SPAN = /^(\d+)([smhd])$/;

/** Epoch ms of an ISO 8601 time. */
export const timeOf =
  (option: string): Reader =>
  (text) =>
    expected('an ISO 8601 time', parseIsoTime(text), option, text);

/** Epoch ms of a time, or of so long ago. */
export const sinceOf =
  (option: string): Reader =>
  (text) => {
    const spanMs = spanMsOf(text);
    const time = Number.isNaN(spanMs) ? parseIsoTime(text) : systemClock.now() - spanMs;
    return Math.max(0, expected('90s, 15m, 2h, 7d, or an ISO 8601 time', time, option, text));
  };

/** Milliseconds of a span, such as 1d. */
export const spanOf =
  (option: string): Reader =>
  (text) =>
    expected('90s, 15m, 2h or 7d', spanMsOf(text) || NaN, option, text);

/** NaN where it is no span. */
function spanMsOf(text: string): number {
  const [, count, unit] = SPAN.exec(text) ?? [];
  return unit === undefined ? NaN : Number(count) * UNITS_MS[unit];
}

function expected(what: string, value: number, option: string, text: string): number {
  if (Number.isNaN(value)) throw new ActuaryError('usage', `${option} ${text}: expected ${what}`);
  return value;
}
