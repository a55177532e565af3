/** Largest epoch ms that a Date can hold. */
export const MAX_EPOCH_MS = 8.64e15;

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

const DATE_LENGTH = 10;
const LETTER_T = 0x54;
const LETTER_Z = 0x5a;
const POINT = 0x2e;
const COLON = 0x3a;
const ZERO = 0x30;

/** Reads ISO 8601 times where they lie, as {@link parseIsoTime} does: those of one day after the other, in UTC. */
export class IsoTimeReader {
  private date = new Uint8Array(DATE_LENGTH);
  private midnightMs = NaN;

  /** @returns NaN for whatever is not of the form 2026-11-23T10:00:00.123456Z, fraction and zone optional */
  read(bytes: Buffer, start: number, end: number): number {
    if (end - start < 19 || bytes[start + 10] !== LETTER_T) return NaN;
    const { date } = this;
    for (let i = 0; i < DATE_LENGTH; i++)
      if (bytes[start + i] !== date[i]) {
        this.midnightMs = parseIsoTime(bytes.toString('latin1', start, start + DATE_LENGTH));
        date.set(bytes.subarray(start, start + DATE_LENGTH));
        break;
      }
    const hours = twoDigits(bytes, start + 11);
    const minutes = twoDigits(bytes, start + 14);
    const seconds = twoDigits(bytes, start + 17);
    if (!(hours <= 23 && minutes <= 59 && seconds <= 59)) return NaN;
    if (bytes[start + 13] !== COLON || bytes[start + 16] !== COLON) return NaN;
    let at = start + 19;
    let milliseconds = 0;
    if (at < end && bytes[at] === POINT) {
      const first = ++at;
      let scale = 100;
      for (let digit = bytes[at] - ZERO; at < end && digit >= 0 && digit <= 9; digit = bytes[++at] - ZERO) {
        if (scale >= 1) milliseconds += digit * scale;
        scale /= 10;
      }
      if (at === first || at > first + 12) return NaN;
    }
    const utc =
      at === end ||
      (at + 1 === end && bytes[at] === LETTER_Z) ||
      (at + 6 === end && bytes.toString('latin1', at, end) === '+00:00');
    return utc ? this.midnightMs + ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds : NaN;
  }
}

/** NaN where they are none. */
function twoDigits(bytes: Buffer, at: number): number {
  const tens = bytes[at] - ZERO;
  const ones = bytes[at + 1] - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NaN;
}
