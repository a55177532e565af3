/** Largest epoch ms that a Date can hold. */
const MAX_EPOCH_MS = 8.64e15;

const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,12}))?)?(Z|z|[+-]\d{2}(?::?\d{2})?)?)?$/;

/**
 * Epoch ms of an ISO 8601 time; UTC where it names no zone, midnight where it is a date alone, finer than a
 * millisecond is cut.
 * @returns NaN where the text is no such time
 */
export function parseIsoTime(text: string): number {
  const match = ISO.exec(text);
  if (match === null) return NaN;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone = 'Z'] = match;
  const monthIndex = Number(month) - 1;
  const midnight = Date.UTC(Number(year), monthIndex, Number(day));
  const date = new Date(midnight);
  // Years below 100 mean 19xx to Date.UTC, and 30 February March.
  if (date.getUTCFullYear() !== Number(year) || date.getUTCMonth() !== monthIndex || date.getUTCDate() !== Number(day))
    return NaN;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return NaN;
  const offset = zoneMinutes(zone);
  if (Number.isNaN(offset)) return NaN;
  const seconds = (Number(hour) * 60 + Number(minute) - offset) * 60 + Number(second);
  return midnight + seconds * 1000 + Number(fraction.slice(0, 3).padEnd(3, '0'));
}

function zoneMinutes(zone: string): number {
  if (zone === 'Z' || zone === 'z') return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(3).replace(':', '') || '0');
  if (hours > 23 || minutes > 59) return NaN;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
}

/** Whole epoch ms of a number, NaN where it is none or beyond what a date can be. */
export function epochMs(value: unknown): number {
  return typeof value === 'number' && Math.abs(value) <= MAX_EPOCH_MS ? Math.floor(value) : NaN;
}
