import { isBlank } from '../schema/dcgm-fields.js';
import { INT32_MAX_VALID, SERIES } from '../schema/metrics.js';
import type { ReadingReason } from '../schema/outcome.js';

/** How a raw value becomes one of a series. */
export interface Conversion {
  readonly series: number;
  readonly factor: number;
  readonly ratioOrPercent: boolean;
  readonly reachesInt32Blank: boolean;
}

/** Why a value is no reading; the table makes the reason a return value without an allocation. */
export type Normalised = number | ReadingReason;

/**
 * A raw number in its series' unit, or the reason why it is no reading: `nan`, `sentinel` or `range`, in this order.
 * Codes, masks and flags are whole numbers; a fraction of one is out of `range`.
 */
export function normalise(raw: number, conversion: Conversion): Normalised {
  if (raw !== raw) return 'nan';
  if (isBlank(raw, conversion.reachesInt32Blank)) return 'sentinel';
  const value = conversion.ratioOrPercent && raw > 1 ? raw : raw * conversion.factor;
  return inRange(value, conversion.series);
}

/** Raw values from `min` to `max`, only the whole ones where `whole`, are readings as they are. */
export interface PlainRange {
  readonly min: number;
  readonly max: number;
  readonly whole: boolean;
}

/** Raw values of which {@link normalise} would make nothing else, for loops that cannot ask it each time; null: none. */
export function plainRange({ series: id, factor, ratioOrPercent, reachesInt32Blank }: Conversion): PlainRange | null {
  const { min, max, minExclusive, kind } = SERIES[id];
  if (factor !== 1 || ratioOrPercent || isBlank(max, reachesInt32Blank) || (minExclusive && min !== 0)) return null;
  if (!reachesInt32Blank && max > INT32_MAX_VALID) return null;
  return { min: minExclusive ? Number.MIN_VALUE : min, max, whole: kind === 'state' || kind === 'latch' };
}

/** A value in its series' unit, if it is plausible. */
export function inRange(value: number, seriesId: number): Normalised {
  const series = SERIES[seriesId];
  if (series.minExclusive ? !(value > series.min) : !(value >= series.min)) return 'range';
  if (value > series.max) return series.clampFrom !== undefined && value <= series.clampFrom ? series.max : 'range';
  if ((series.kind === 'state' || series.kind === 'latch') && !Number.isInteger(value)) return 'range';
  return value;
}

/** DCGM's markers in text: <<<NULL>>>, <<<NOT_SUPPORTED>>> and their like. */
export function isBlankText(text: string): boolean {
  return text.startsWith('<<<') && text.endsWith('>>>');
}
