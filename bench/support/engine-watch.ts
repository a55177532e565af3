import type { EngineProcesses } from './engine-process.js';
import { usageOf } from './usage.js';

export interface Watched {
  readonly cpuSeconds: number;
  /** Of all processes together. */
  readonly rssMb: number;
  readonly highWaterMb: number;
  /** Longest pause of each process's event loop; a timer of 10 ms measures it, which is part of the figure. */
  readonly longestPauseMs: Readonly<Record<string, number>>;
}

const LOOK_EVERY_MS = 1_000;

/** CPU, memory and pauses of engine processes over a time that has no end by itself. */
export class EngineWatch {
  private timer: NodeJS.Timeout | undefined;
  private cpuSeconds = 0;
  private rssMb = 0;
  private readonly pauses = new Map<string, number>();

  constructor(private readonly engine: EngineProcesses) {}

  async begin(): Promise<void> {
    // Reading the pauses starts them anew.
    await this.engine.metrics();
    this.pauses.clear();
    this.rssMb = 0;
    this.cpuSeconds = this.cpu();
    this.timer = setInterval(() => void this.look(), LOOK_EVERY_MS);
  }

  async end(): Promise<Watched> {
    clearInterval(this.timer);
    await this.look();
    return {
      cpuSeconds: this.cpu() - this.cpuSeconds,
      rssMb: Math.round(this.rssMb),
      highWaterMb: Math.round(this.usages().reduce((sum, { peakRssMb }) => sum + peakRssMb, 0)),
      longestPauseMs: Object.fromEntries(this.pauses),
    };
  }

  private async look(): Promise<void> {
    this.rssMb = Math.max(
      this.rssMb,
      this.usages().reduce((sum, { rssMb }) => sum + rssMb, 0),
    );
    const all = await this.engine.metrics();
    for (const [index, { roles }] of this.engine.all.entries()) {
      const pauseMs = Math.round(1000 * (all[index].get('nodejs_eventloop_lag_max_seconds') ?? 0));
      const name = roles.join(',');
      this.pauses.set(name, Math.max(this.pauses.get(name) ?? 0, pauseMs));
    }
  }

  private cpu(): number {
    return this.usages().reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
  }

  private usages() {
    return this.engine.all.map(({ running }) => usageOf(running.child.pid!));
  }
}
