/** Wall and CPU time of some work in this process, and the largest memory it was seen with. */
export interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakRssMb: number;
}

export async function measure(work: () => Promise<void> | void): Promise<Measured> {
  let peak = process.memoryUsage.rss();
  const look = (): void => {
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  const timer = setInterval(look, 100);
  const cpu = process.cpuUsage();
  const started = performance.now();
  await work();
  const seconds = (performance.now() - started) / 1000;
  const used = process.cpuUsage(cpu);
  clearInterval(timer);
  look();
  return { seconds, cpuSeconds: (used.user + used.system) / 1e6, peakRssMb: Math.round(peak / 1e6) };
}
