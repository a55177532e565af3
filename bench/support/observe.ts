import { setTimeout as delay } from 'node:timers/promises';
import type { Point } from './observation.js';
import type { Running } from './processes.js';
import { proportionalMbOf, usageOf } from './usage.js';

export interface Observation {
  readonly processes: readonly Running[];
  readonly brokerPid: number | null;
  /** Records after which the run is over. */
  readonly until: number;
  /** Asks how many records are done; called again and again, and part of what is measured: keep it cheap. */
  readonly look: () => Promise<number | { readonly begun: number; readonly done: number }>;
  readonly everyMs?: number;
}

export interface Observed {
  readonly points: readonly Point[];
  /** Sum of the largest memory that each process ever had. */
  readonly highWaterMb: number;
}

/** A look has every process write its metrics, which is counted as its work: often enough to see a run of 10 s. */
const LOOK_EVERY_MS = 500;
/** Of so many looks one asks what pages are shared: the kernel walks through all memory for it, 1 % of two cores. */
const LOOKS_PER_WALK = 4;
/** Nothing done for so long: it will not be. */
const STALLED_MS = 60_000;

/**
 * Watches processes from outside until they have done their work.
 * @throws Error where one of them ends early, or nothing moves any more; with what it printed last
 */
export async function observe(run: Observation): Promise<Observed> {
  const points: Point[] = [];
  const pids = run.processes.map(({ child }) => child.pid!);
  let movedMs = performance.now();
  for (;;) {
    const looked = await run.look();
    const { begun, done } = typeof looked === 'number' ? { begun: looked, done: looked } : looked;
    const ended = run.processes.find(({ child }) => child.exitCode !== null || child.signalCode !== null);
    if (ended !== undefined) throw new Error(`a process ended early: ${ended.output()}`);
    const usages = pids.map(usageOf);
    const atMs = performance.now();
    if (done > (points.at(-1)?.done ?? -Infinity) || begun > points.at(-1)!.begun) movedMs = atMs;
    points.push({
      atMs,
      done,
      begun,
      cpuSeconds: usages.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
      rssMb: usages.reduce((sum, { rssMb }) => sum + rssMb, 0),
      pssMb:
        points.length % LOOKS_PER_WALK === 0
          ? pids.reduce((sum, pid) => sum + proportionalMbOf(pid), 0)
          : points.at(-1)!.pssMb,
      brokerCpuSeconds: run.brokerPid === null ? 0 : usageOf(run.brokerPid).cpuSeconds,
    });
    if (done >= run.until) return { points, highWaterMb: usages.reduce((sum, { peakRssMb }) => sum + peakRssMb, 0) };
    if (atMs - movedMs > STALLED_MS)
      throw new Error(
        `${done} of ${run.until} records are done, and none more for ${STALLED_MS / 1000} s: ` +
          run.processes.map((process) => process.output()).join('\n'),
      );
    await delay(run.everyMs ?? LOOK_EVERY_MS);
  }
}
