import { performance } from 'node:perf_hooks';

/**
 * Share of the time that a thread works, from which on it has no room for what can wait. Waiting for the broker takes
 * a fifth of the time of a role that catches up, so this lies well below 1; a fleet that is kept up with takes far less.
 */
const HIGH_UTILISATION = 0.6;
/**
 * From below which on it has room again. Who catches up waits now and then for most of half a second: to answer for all
 * that was due before the next look would cost seconds.
 */
const LOW_UTILISATION = 0.3;
/** Looked at no more often than this: a single unit of work is always all work. */
const LOOK_EVERY_MS = 500;

/**
 * Whether this process's event loop is near its limit, whichever role keeps it there: catching up with a raw topic
 * leaves gpu.samples fresh, and yet every answer of the model is taken from the time in which to catch up.
 */
export class ThreadLoad {
  private lookedAtMs: number;
  private high = false;

  /**
   * @param nowMs a clock that never goes back
   * @param utilisation share of the time worked since it was last asked, 0–1
   */
  constructor(
    private readonly nowMs: () => number = () => performance.now(),
    private readonly utilisation: () => number = sinceLastAsked(),
  ) {
    this.lookedAtMs = nowMs();
  }

  isHigh(): boolean {
    const now = this.nowMs();
    if (now - this.lookedAtMs >= LOOK_EVERY_MS) {
      this.lookedAtMs = now;
      this.high = this.utilisation() > (this.high ? LOW_UTILISATION : HIGH_UTILISATION);
    }
    return this.high;
  }
}

function sinceLastAsked(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}
