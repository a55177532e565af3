/**
 * Says when work in hand is done, of which there may be several pieces. A rebalance waits for it before partitions are
 * let go; what fails counts as done, for the failure is reported where it happened.
 */
export class Busy {
  private inHand = 0;
  private waiting: (() => void)[] = [];

  begin(): void {
    this.inHand++;
  }

  /** One piece of work is done. Without one in hand, as when a poll failed, it means nothing. */
  end(): void {
    this.inHand = Math.max(0, this.inHand - 1);
    if (this.inHand > 0) return;
    const waiting = this.waiting;
    this.waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** The chain has ended: what was in hand will not be finished. */
  endAll(): void {
    this.inHand = 0;
    this.end();
  }

  /** Resolves when nothing is in hand. */
  idle(): Promise<void> {
    if (this.inHand === 0) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}
