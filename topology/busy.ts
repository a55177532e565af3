/**
 * Says when work in hand is done. A rebalance waits for it before partitions are let go; what fails counts as done,
 * for the failure is reported where it happened.
 */
export class Busy {
  private current: Promise<void> = Promise.resolve();
  private release: () => void = () => undefined;

  begin(): void {
    this.release();
    this.current = new Promise((resolve) => {
      this.release = resolve;
    });
  }

  end(): void {
    this.release();
  }

  /** Resolves when nothing is in hand. */
  idle(): Promise<void> {
    return this.current;
  }
}
