import { readFileSync } from 'node:fs';

/** CPU time and memory of a process, as the kernel counts them: read from outside, of any process. Linux only. */
export interface Usage {
  /** User and system time of all its threads. */
  readonly cpuSeconds: number;
  readonly rssMb: number;
  /** Largest memory it ever had. */
  readonly peakRssMb: number;
}

/** Ticks a second of the times in /proc; the same on every Linux that Node runs on. */
const TICKS = 100;
const UTIME = 11;
const STIME = 12;

/** @throws Error where the process is gone, or the system has no /proc */
export function usageOf(pid: number): Usage {
  return parseUsage(readFileSync(`/proc/${pid}/stat`, 'latin1'), readFileSync(`/proc/${pid}/status`, 'latin1'));
}

/**
 * Memory of a process, MB, in which a page that several processes have mapped counts to each by its share: what
 * processes of one program take together is the sum of these, and less than the sum of their RSS.
 * @throws Error where the process is gone
 */
export function proportionalMbOf(pid: number): number {
  return parseProportionalMb(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'));
}

/** @param rollup of /proc/PID/smaps_rollup */
export const parseProportionalMb = (rollup: string): number => megabytesOf(rollup, 'Pss');

/** @param stat of /proc/PID/stat @param status of /proc/PID/status */
export function parseUsage(stat: string, status: string): Usage {
  // The name of the program stands in parentheses and may hold anything; the fields begin behind the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    cpuSeconds: (Number(fields[UTIME]) + Number(fields[STIME])) / TICKS,
    rssMb: megabytesOf(status, 'VmRSS'),
    peakRssMb: megabytesOf(status, 'VmHWM'),
  };
}

const megabytesOf = (text: string, name: string): number =>
  (1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0)) / 1e6;
