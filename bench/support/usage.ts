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

/** @param stat of /proc/PID/stat @param status of /proc/PID/status */
export function parseUsage(stat: string, status: string): Usage {
  // The name of the program stands in parentheses and may hold anything; the fields begin behind the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const megabytes = (name: string): number =>
    (1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0)) / 1e6;
  return {
    cpuSeconds: (Number(fields[UTIME]) + Number(fields[STIME])) / TICKS,
    rssMb: megabytes('VmRSS'),
    peakRssMb: megabytes('VmHWM'),
  };
}
