import { describe, expect, it } from 'vitest';

/** The page's own script: it has no types, for no compiler stands between it and the browser. */
const { ago } = (await import(new URL('./page/format.js', import.meta.url).href)) as {
  ago: (iso: string | null, nowMs: number) => string;
};

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
