import type { GpuFacts } from './inventory.js';
import type { Job } from './jobs.js';
import type { Random } from './random.js';

/** Chance of a job to wait for data or write a checkpoint at a scrape. */
const PAUSES = 0.04;
/** SM activity of a job at full load, percent. */
const FULL_SM_ACTIVE = 84;

/** What a GPU computes at a scrape, percentages. */
export class GpuLoad {
  /** 0–1; 0 is idle. */
  load = 0;
  /** Whether a job holds the GPU, computing or not. */
  held = false;
  smActive = 0;
  smOccupancy = 0;
  tensorActive = 0;
  dramActive = 0;
  gpuUtil = 0;
  fbUsedMiB = 4;
  private jobId = -1;
  private jobLoad = 0;

  advance(job: Job | null, facts: GpuFacts, random: Random): void {
    if (job === null || ((job.positions >> facts.position) & 1) === 0) {
      if (this.jobId >= 0) this.rest();
      return;
    }
    if (job.id !== this.jobId) {
      this.jobId = job.id;
      this.held = true;
      this.jobLoad = Math.min(1, Math.max(0, job.load + 0.03 * random.normal()));
      this.fbUsedMiB = Math.round(job.memory * facts.host.model.memoryMiB);
    }
    const pause = random.chance(PAUSES) ? random.between(0, 0.4) : 1;
    const load = Math.min(1, Math.max(0, this.jobLoad * pause + 0.03 * random.normal()));
    this.load = load;
    this.smActive = Math.min(100, FULL_SM_ACTIVE * load * random.between(0.8, 1.12));
    this.smOccupancy = this.smActive * 0.55;
    this.tensorActive = Math.min(100, 100 * job.tensor * load * random.between(0.8, 1.2));
    this.dramActive = Math.min(100, 45 * load * random.between(0.8, 1.2));
    this.gpuUtil = load > 0.05 ? Math.min(100, Math.round(95 + 5 * load + random.normal())) : Math.round(100 * load);
  }

  private rest(): void {
    this.jobId = -1;
    this.held = false;
    this.load = this.smActive = this.smOccupancy = this.tensorActive = this.dramActive = this.gpuUtil = 0;
    this.fbUsedMiB = 4;
  }
}
