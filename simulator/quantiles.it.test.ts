import { expect, it } from 'vitest';
import { DAY_MS, MINUTE_MS } from '../schema/clock.js';
import { Fleet } from './fleet.js';
import type { GpuState } from './gpu-state.js';

/**
 * Production A100 fleets: the clusters Seren and Kalos of AcmeTrace (InternLM, NSDI'24), 15 s samples over months.
 * Ours have to lie between the two, or outside by no more than the tolerance. Only A100s are compared: other models
 * scale power with their limit.
 */
const PERCENTS = [1, 5, 25, 50, 75, 90, 95, 99, 99.9];
interface Quantity {
  readonly name: string;
  readonly of: (gpu: GpuState) => number;
  readonly kalos: readonly number[];
  readonly seren: readonly number[];
  readonly tolerance: number;
  /** Percents that are not compared. */
  readonly except?: readonly number[];
}
const QUANTITIES: readonly Quantity[] = [
  {
    name: 'power, W',
    of: (gpu) => gpu.powerWatts,
    kalos: [60.2, 61.9, 66.4, 101.4, 371.8, 403.6, 413.0, 439.7, 487.7],
    seren: [60.0, 61.8, 66.2, 96.5, 290.2, 395.1, 407.7, 436.6, 472.1],
    tolerance: 25,
  },
  {
    name: 'GPU temperature, °C',
    of: (gpu) => gpu.reportedTemperature,
    kalos: [22, 25, 30, 40, 51, 58, 62, 66, 71],
    seren: [25, 27, 31, 39, 53, 61, 65, 69, 72],
    tolerance: 3,
  },
  {
    name: 'memory temperature, °C',
    of: (gpu) => Math.round(gpu.memoryTemperatureCelsius),
    kalos: [30, 40, 46, 51, 57, 61, 64, 67, 70],
    seren: [27, 39, 46, 51, 59, 64, 66, 69, 72],
    tolerance: 4,
    // Theirs reads near the inlet's temperature now and then, ten degrees below any other idle reading: not simulated.
    except: [1],
  },
  {
    name: 'SM active, %',
    of: (gpu) => gpu.work.smActive,
    kalos: [0, 0, 0, 33, 73, 91, 94, 99, 99],
    seren: [0, 0, 0, 50, 73, 81, 85, 92, 97],
    tolerance: 10,
  },
  {
    name: 'tensor active, %',
    of: (gpu) => gpu.work.tensorActive,
    kalos: [0, 0, 0, 9, 21, 25, 33, 50, 66],
    seren: [0, 0, 0, 14, 20, 24, 30, 49, 60],
    tolerance: 6,
  },
  {
    name: 'GPU use, %',
    of: (gpu) => gpu.work.gpuUtil,
    kalos: [0, 0, 0, 97, 99, 100, 100, 100, 100],
    seren: [0, 0, 0, 98, 100, 100, 100, 100, 100],
    tolerance: 4,
  },
  {
    name: 'memory used, %',
    of: (gpu) => (100 * gpu.work.fbUsedMiB) / gpu.facts.host.model.memoryMiB,
    kalos: [0, 0, 0, 75, 77, 88, 93, 97, 99],
    seren: [0, 0, 0, 39, 61, 83, 96, 99, 99],
    tolerance: 10,
  },
];

it('the telemetry of the reference world has the quantiles of production fleets', () => {
  const startMs = Date.UTC(2026, 2, 1);
  const values = QUANTITIES.map(() => [] as number[]);
  // Two seasons: the air has a yearly course.
  for (const beginMs of [startMs, startMs + 182 * DAY_MS]) {
    const fleet = new Fleet({ gpus: 2_000, days: 4, cadenceMs: 75 * MINUTE_MS, seed: 7, startMs: beginMs });
    for (const { host, gpus } of fleet.scrapes()) {
      if (!host.model.name.includes('A100')) continue;
      for (const gpu of gpus) QUANTITIES.forEach(({ of }, index) => values[index].push(of(gpu)));
    }
  }
  const beyond: string[] = [];
  QUANTITIES.forEach(({ name, kalos, seren, tolerance, except }, index) => {
    const sorted = Float64Array.from(values[index]).sort();
    const ours = PERCENTS.map((percent) => sorted[Math.floor((percent / 100) * (sorted.length - 1))]);
    console.log(
      [`${name} (tolerance ${tolerance})`, '', ...PERCENTS.map((percent) => `p${percent}`)].join('\t') +
        [['Kalos', kalos] as const, ['Seren', seren] as const, ['ours', ours] as const]
          .map(([who, row]) => `\n\t${who}\t${row.map((value) => value.toFixed(1)).join('\t')}`)
          .join(''),
    );
    ours.forEach((value, place) => {
      if (except?.includes(PERCENTS[place])) return;
      const low = Math.min(kalos[place], seren[place]) - tolerance;
      const high = Math.max(kalos[place], seren[place]) + tolerance;
      if (value < low || value > high) beyond.push(`${name} p${PERCENTS[place]}: ${value} not in ${low}-${high}`);
    });
  });
  expect(beyond).toEqual([]);
});
