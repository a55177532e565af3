// Figures and times as people read them. Absent is an en dash, never 0.

export const ABSENT = '–';

const usd = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD', maximumFractionDigits: 0 });
const compactUsd = new Intl.NumberFormat('en-US', {
  style: 'currency',
  currency: 'USD',
  notation: 'compact',
  maximumFractionDigits: 2,
});
const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export const count = (value) => (isAbsent(value) ? ABSENT : whole.format(value));
export const dollars = (value) => (isAbsent(value) ? ABSENT : usd.format(value));
export const millions = (value) => (isAbsent(value) ? ABSENT : compactUsd.format(value));

/** A probability: two significant digits below 10 %, for 0.3 % and 0.8 % are not the same. */
export function percent(value) {
  if (isAbsent(value)) return ABSENT;
  const percents = value * 100;
  if (percents > 0 && percents < 0.01) return '<0.01 %';
  return `${percents.toFixed(percents < 1 ? 2 : 1)} %`;
}

/** @param {number} [digits] significant digits */
export function figure(value, digits = 4) {
  if (isAbsent(value)) return ABSENT;
  if (Number.isInteger(value)) return whole.format(value);
  return new Intl.NumberFormat('en-US', { maximumSignificantDigits: digits }).format(value);
}

export const fixed = (value, digits) => (isAbsent(value) ? ABSENT : value.toFixed(digits));

/** `2026-11-23 10:00:05` */
export const time = (iso) => (isAbsent(iso) ? ABSENT : `${iso.slice(0, 10)} ${iso.slice(11, 19)}`);

/** How long ago, in the one unit that matters. */
export function ago(iso, nowMs = Date.now()) {
  if (isAbsent(iso)) return ABSENT;
  const seconds = (nowMs - Date.parse(iso)) / 1000;
  if (Math.abs(seconds) < 60) return 'now';
  return seconds > 0 ? `${span(seconds)} ago` : `${span(-seconds)} ahead`;
}

const AHEAD_SECONDS = 300;

/** What to say of a newest reading that is ahead of this clock by more than clocks differ; null: nothing. */
export function clockAhead(newestIso, nowMs = Date.now()) {
  if (isAbsent(newestIso)) return null;
  const seconds = (Date.parse(newestIso) - nowMs) / 1000;
  if (seconds <= AHEAD_SECONDS) return null;
  return `This fleet’s clock: ${time(newestIso).slice(0, 16)}, ${span(seconds)} ahead of yours`;
}

function span(seconds) {
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

const SPELLED = { gpu: 'GPU', nvlink: 'NVLink', pcie: 'PCIe', xid: 'XID', xids: 'XIDs' };

/** `row_remap_failed` to `Row remap failed`, `hardware_xid` to `Hardware XID` */
export function words(name) {
  const text = name
    .split('_')
    .map((word) => SPELLED[word] ?? word)
    .join(' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Text with its thousands set apart: `pcie_replay_count 1490` to `pcie_replay_count 1,490` */
export const withThousands = (text) => text.replace(/(?<![\w.])\d{4,}/g, (digits) => whole.format(Number(digits)));

function isAbsent(value) {
  return value === null || value === undefined || Number.isNaN(value);
}
