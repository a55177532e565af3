const FIRST_MS = 200;
const LONGEST_MS = 10_000;

/** Waits longer and longer between attempts, up to ten seconds, never in step with others who wait. */
export class Backoff {
  private nextMs = FIRST_MS;
  private cancelled = false;
  private wake: (() => void) | undefined;

  reset(): void {
    this.nextMs = FIRST_MS;
  }

  /** @returns false if it was cancelled before or meanwhile */
  async wait(): Promise<boolean> {
    if (this.cancelled) return false;
    const ms = this.nextMs * (0.5 + Math.random());
    this.nextMs = Math.min(LONGEST_MS, this.nextMs * 2);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = undefined;
    return !this.cancelled;
  }

  /** Ends the wait that is under way, if one is. */
  skip(): void {
    this.wake?.();
  }

  cancel(): void {
    this.cancelled = true;
    this.wake?.();
  }
}
