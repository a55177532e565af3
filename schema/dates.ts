/** Epoch ms of an ISO date's midnight UTC, or of an ISO time cut to its date; NaN where it is neither. */
export function dateMs(text: string): number {
  const match = /^(\d{4})-(\d{2})-(\d{2})(?:$|[T ])/.exec(text);
  if (match === null) return NaN;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const ms = Date.UTC(year, month - 1, day);
  const date = new Date(ms);
  // 2026-02-30 would silently become March.
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? ms : NaN;
}

/** Epoch ms of an ISO 8601 time, UTC where it names no zone; NaN where it is none. */
export function isoMs(text: string): number {
  if (!/^\d{4}-\d{2}-\d{2}/.test(text)) return NaN;
  const zoned = /(Z|[+-]\d{2}:?\d{2})$/i.test(text) || !text.includes('T');
  return Math.floor(Date.parse(zoned ? text : `${text}Z`));
}
