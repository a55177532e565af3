/** Longest that a stage keeps the event loop before others have their turn, ms. */
const MAX_TURN_MS = 8;

/** A share of the event loop: work that takes long asks now and then whether its turn is over, and lets others in. */
export class Turn {
  private sinceMs = performance.now();

  isOver(): boolean {
    return performance.now() - this.sinceMs > MAX_TURN_MS;
  }

  /** Resolves when timers and sockets have had theirs. */
  async next(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.sinceMs = performance.now();
  }
}
