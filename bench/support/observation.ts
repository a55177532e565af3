/** What was seen of running processes at one moment; all figures but memory count up. */
export interface Point {
  readonly atMs: number;
  /** Records done so far; below 0 while what comes before them is being done. */
  readonly done: number;
  /** Records that the first stage is through with: more than `done` where stages run ahead of each other. */
  readonly begun: number;
  /** CPU time of all processes, user and system. */
  readonly cpuSeconds: number;
  /** Memory of all processes now. */
  readonly rssMb: number;
  /** The same, each page that they share counted once. */
  readonly pssMb: number;
  /** CPU time of the broker; 0 where it is not on this machine. */
  readonly brokerCpuSeconds: number;
}

/** A stretch of a run. */
export interface Stretch {
  readonly records: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly cpuMicros: number;
  readonly brokerCpuMicros: number;
}

/**
 * The stretch between two counts of records, its ends interpolated between the points around them: what a process needs
 * to start, to join its group and to compile its code lies before it. It lasts from when the first stage was through
 * with the one to when the last was through with the other, so that no stage's work on its records is left out.
 * @throws Error where the run did not get that far
 */
export function stretch(points: readonly Point[], fromDone: number, untilDone: number): Stretch {
  const from = crossing(points, fromDone, 'begun');
  const until = crossing(points, untilDone, 'done');
  const records = untilDone - fromDone;
  const seconds = (until.atMs - from.atMs) / 1000;
  if (!(seconds > 0)) throw new Error(`${records} records were done between two looks: measure more of them`);
  return {
    records,
    seconds,
    perSecond: records / seconds,
    cpuMicros: (1e6 * (until.cpuSeconds - from.cpuSeconds)) / records,
    brokerCpuMicros: (1e6 * (until.brokerCpuSeconds - from.brokerCpuSeconds)) / records,
  };
}

export function peakRssMb(points: readonly Point[]): number {
  return points.reduce((peak, { rssMb }) => Math.max(peak, rssMb), 0);
}

export function peakPssMb(points: readonly Point[]): number {
  return points.reduce((peak, { pssMb }) => Math.max(peak, pssMb), 0);
}

/** A counter at some moment. */
export interface Count {
  readonly atMs: number;
  readonly count: number;
}

/**
 * Least increase of a counter over any span of so many ms that lies within a time, ends interpolated. A time shorter
 * than the span is taken as it is and scaled up.
 */
export function leastIncrease(counts: readonly Count[], fromMs: number, untilMs: number, spanMs: number): number {
  const at = (ms: number): number => valueAt(counts, ms);
  if (untilMs - fromMs <= spanMs) return ((at(untilMs) - at(fromMs)) * spanMs) / (untilMs - fromMs);
  let least = at(untilMs) - at(untilMs - spanMs);
  for (const { atMs } of [{ atMs: fromMs }, ...counts])
    if (atMs >= fromMs && atMs + spanMs <= untilMs) least = Math.min(least, at(atMs + spanMs) - at(atMs));
  return least;
}

function crossing(points: readonly Point[], records: number, by: 'begun' | 'done'): Point {
  const after = points.findIndex((point) => point[by] >= records);
  if (after < 0) throw new Error(`${points.at(-1)?.[by] ?? 0} records were done, not ${records}`);
  if (after === 0) return points[0];
  const [a, b] = [points[after - 1], points[after]];
  const share = (records - a[by]) / (b[by] - a[by]);
  const mix = (x: number, y: number): number => x + share * (y - x);
  return {
    atMs: mix(a.atMs, b.atMs),
    done: mix(a.done, b.done),
    begun: mix(a.begun, b.begun),
    cpuSeconds: mix(a.cpuSeconds, b.cpuSeconds),
    rssMb: mix(a.rssMb, b.rssMb),
    pssMb: mix(a.pssMb, b.pssMb),
    brokerCpuSeconds: mix(a.brokerCpuSeconds, b.brokerCpuSeconds),
  };
}

/** When the stretch between two counts of records begins and ends. */
export function timesOf(points: readonly Point[], fromDone: number, untilDone: number): readonly [number, number] {
  return [crossing(points, fromDone, 'begun').atMs, crossing(points, untilDone, 'done').atMs];
}

function valueAt(counts: readonly Count[], atMs: number): number {
  const after = counts.findIndex((point) => point.atMs >= atMs);
  if (after < 0) return counts.at(-1)!.count;
  if (after === 0) return counts[0].count;
  const [a, b] = [counts[after - 1], counts[after]];
  return a.count + ((atMs - a.atMs) / (b.atMs - a.atMs)) * (b.count - a.count);
}
