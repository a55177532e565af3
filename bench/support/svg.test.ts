import { describe, expect, it } from 'vitest';
import { barChart, lineChart, niceCeiling, short } from './svg.js';

const numbers = (svg: string, pattern: RegExp): number[] =>
  [...svg.matchAll(pattern)].map(([, number]) => Number(number));

describe('charts', () => {
  it('draws bars as long as their values, with room for the highest repeat', () => {
    const svg = barChart({
      title: 'Rate',
      unit: 'records/s',
      bars: [
        { label: 'engine', value: 50, spread: [40, 100], marked: true },
        { label: 'bare', value: 25 },
      ],
    });
    const [, engine, bare] = numbers(svg, /<rect [^>]*width="([\d.]+)"/g);
    expect(engine).toBe(2 * bare);
    const [from] = numbers(svg, /<line x1="([\d.]+)"/g);
    const [until] = numbers(svg, /x2="([\d.]+)"/g);
    expect(until - from).toBeCloseTo((60 / 50) * engine, 0);
  });

  it('leaves room for the longest label', () => {
    const label = 'a GPU whose risk has jumped, over HTTP, 99.9 %';
    const svg = barChart({ title: 'Latency', unit: 'ms', bars: [{ label, value: 1 }] });
    const [left] = numbers(svg, /<rect [^>]*x="([\d.]+)" y/g);
    expect(left).toBeGreaterThan(7 * label.length);
  });

  it('draws a line through its points, factors equally far apart where asked', () => {
    const points = [
      [1_000, 1],
      [10_000, 1],
      [100_000, 2],
    ] as const;
    const svg = lineChart({
      title: 'Cost',
      xLabel: 'GPUs',
      yLabel: 'µs',
      logarithmicX: true,
      lines: [{ name: 'v1', points }],
    });
    const [first, second, third] = numbers(svg, /<circle cx="([\d.]+)"/g);
    expect(second - first).toBeCloseTo(third - second, 1);
    const [low, , high] = numbers(svg, /<circle [^>]*cy="([\d.]+)"/g);
    expect(low).toBeGreaterThan(high);
  });

  it('escapes what it is given', () => {
    expect(barChart({ title: 'a < b & c', unit: 'x', bars: [{ label: '<i>', value: 1 }] })).toContain('&lt;i&gt;');
  });

  it('names figures briefly', () => {
    expect([1_234_567, 45_600, 0.78912, 12].map(short)).toEqual(['1.23M', '45.6k', '0.789', '12']);
    expect([0.3, 1, 1.1, 42, 700].map(niceCeiling)).toEqual([0.5, 1, 2, 50, 1_000]);
  });
});
