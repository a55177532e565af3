import { readFileSync } from 'node:fs';
import { withoutMark } from '../../schema/byte-order-mark.js';
import { isoMs } from '../../schema/dates.js';
import { ActuaryError, messageOf } from '../../schema/errors.js';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../schema/clock.js';

/** At which event times a replay evaluates each GPU. */
export type AsOf =
  /** At the GPU's newest event time, once. */
  | { readonly kind: 'last' }
  /** At each multiple of a period after its first reading, up to its newest. */
  | { readonly kind: 'every'; readonly periodMs: number }
  /** At one given time, from the readings up to it. */
  | { readonly kind: 'at'; readonly timeMs: number }
  /** Each GPU at times of its own, ascending, from the readings up to them; not before its first. */
  | { readonly kind: 'listed'; readonly file: string; readonly timesMs: ReadonlyMap<string, readonly number[]> };

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS };

/** Milliseconds of a duration such as 30s, 15m, 1h or 1d; NaN where it is none. */
export function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(s|m|h|d)$/.exec(text);
  const ms = match === null ? NaN : Number(match[1]) * UNITS[match[2]];
  return ms >= 1 ? ms : NaN;
}

/** Reads `last`, `every:1h`, `listed:FILE` or an ISO time. @throws ActuaryError usage */
export function parseAsOf(text: string): AsOf {
  if (text === 'last') return { kind: 'last' };
  if (text.startsWith('listed:')) {
    const file = text.slice('listed:'.length);
    return { kind: 'listed', file, timesMs: readListed(file) };
  }
  if (text.startsWith('every:')) {
    const periodMs = durationMs(text.slice('every:'.length));
    if (!Number.isNaN(periodMs)) return { kind: 'every', periodMs };
  } else {
    const timeMs = isoMs(text);
    if (!Number.isNaN(timeMs)) return { kind: 'at', timeMs };
  }
  throw new ActuaryError(
    'usage',
    `--as-of ${text}: expected last, every:1h (or 15m, 1d), listed:FILE or a time like 2026-01-31T12:00:00Z`,
  );
}

/** Reads lines of `{"gpu_uuid","as_of"}`; other fields are passed over. @throws ActuaryError usage */
function readListed(file: string): Map<string, number[]> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ActuaryError('usage', `--as-of listed:${file}: ${messageOf(error)}`, { cause: error });
  }
  const sets = new Map<string, Set<number>>();
  withoutMark(text)
    .split('\n')
    .forEach((line, index) => {
      if (line.trim() === '') return;
      const [gpuUuid, timeMs] = readListedLine(line);
      if (Number.isNaN(timeMs))
        throw new ActuaryError('usage', `--as-of listed:${file}: line ${index + 1}: expected {"gpu_uuid","as_of"}`);
      const times = sets.get(gpuUuid);
      if (times === undefined) sets.set(gpuUuid, new Set([timeMs]));
      else times.add(timeMs);
    });
  return new Map([...sets].map(([gpuUuid, times]) => [gpuUuid, [...times].sort((a, b) => a - b)]));
}

/** GPU and time; NaN where the line does not say both. */
function readListedLine(line: string): [string, number] {
  let row: { gpu_uuid?: unknown; as_of?: unknown } | null;
  try {
    row = JSON.parse(line) as typeof row;
  } catch {
    return ['', NaN];
  }
  const { gpu_uuid: gpuUuid, as_of: asOf } = row ?? {};
  return typeof gpuUuid === 'string' && typeof asOf === 'string' ? [gpuUuid, isoMs(asOf)] : ['', NaN];
}
