import { describe, expect, it } from 'vitest';

/** The page's own script: it has no types, for no compiler stands between it and the browser. */
const { ago, clockAhead, withThousands, words } = (await import(new URL('./page/format.js', import.meta.url).href)) as {
  ago: (iso: string | null, nowMs: number) => string;
  clockAhead: (iso: string | null, nowMs: number) => string | null;
  withThousands: (text: string) => string;
  words: (name: string) => string;
};

describe('names on the page', () => {
  it.each([
    ['row_remap_failed', 'Row remap failed'],
    ['hardware_xid', 'Hardware XID'],
    ['application_xids_recur', 'Application XIDs recur'],
    ['pcie_replays', 'PCIe replays'],
    ['nvlink_errors', 'NVLink errors'],
    ['gpu_absent', 'GPU absent'],
  ])('%s reads %s', (name, text) => expect(words(name)).toBe(text));
});

describe('numbers in text on the page', () => {
  it.each([
    ['pcie_replay_count 1490, above 10', 'pcie_replay_count 1,490, above 10'],
    ['total_operating_hours 1234567.5 h, above 43800', 'total_operating_hours 1,234,567.5 h, above 43,800'],
    ['thermal_resistance 0.12345 °C/W of a10000', 'thermal_resistance 0.12345 °C/W of a10000'],
  ])('%s reads %s', (text, read) => expect(withThousands(text)).toBe(read));
});

describe('the age of a reading on the page', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');
  it.each([
    ['2026-03-01T11:59:30Z', 'now'],
    ['2026-03-01T12:00:30Z', 'now'],
    ['2026-03-01T11:57:00Z', '3 min ago'],
    ['2026-03-01T03:00:00Z', '9 h ago'],
    ['2026-02-26T12:00:00Z', '3 d ago'],
    // A simulated fleet that lives faster than the clock; also a collector whose clock is wrong.
    ['2026-03-01T12:20:00Z', '20 min ahead'],
    ['2026-03-01T15:30:00Z', '3 h ahead'],
    ['2026-03-05T12:00:00Z', '4 d ahead'],
  ])('%s is %s', (iso, text) => expect(ago(iso, now)).toBe(text));

  it('is a dash where there is none', () => expect(ago(null, now)).toBe('–'));
});

describe('the clock of the fleet on the page', () => {
  const now = Date.parse('2026-03-01T18:40:00Z');
  it.each([
    ['2026-03-01T18:39:00Z', null],
    ['2026-03-01T18:45:00Z', null],
    ['2026-03-01T18:46:00Z', 'This fleet’s clock: 2026-03-01 18:46, 6 min ahead of yours'],
    ['2026-03-01T20:45:30Z', 'This fleet’s clock: 2026-03-01 20:45, 2 h ahead of yours'],
    [null, null],
  ])('of a newest reading %s is told as %s', (iso, text) => expect(clockAhead(iso, now)).toBe(text));
});
