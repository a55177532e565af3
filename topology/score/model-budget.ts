/** Share of wall-clock time that the model may have for itself, and how much of it can be saved up for a burst. */
const SHARE = 0.1;
const MAX_CREDIT_MS = 500;
/** What a row takes before any was timed: that of a GPU which is heard of for the first time, emitted and explained. */
const FIRST_ROW_MS = 0.05;
/** Rows of fewer than this say little of what one takes. */
const TIMED_ROWS = 100;

/**
 * What the model has used of its share of the time. A fleet that is kept up with stays far below it (1,000 rows a
 * second are 2 to 5 %), also on a slow machine; one in fast motion asks for several times as much.
 */
export class ModelBudget {
  private creditMs = MAX_CREDIT_MS;
  private earnedAtMs: number;
  private rowMs = FIRST_ROW_MS;

  /** @param nowMs a clock that never goes back */
  constructor(private readonly nowMs: () => number = () => performance.now()) {
    this.earnedAtMs = nowMs();
  }

  isSpent(): boolean {
    const now = this.nowMs();
    this.creditMs = Math.min(MAX_CREDIT_MS, this.creditMs + SHARE * (now - this.earnedAtMs));
    this.earnedAtMs = now;
    return this.creditMs <= 0;
  }

  /** Rows of the largest burst, by what a row took when the model was last asked about many. */
  get burstRows(): number {
    return MAX_CREDIT_MS / this.rowMs;
  }

  spend(ms: number, rows: number): void {
    this.creditMs -= ms;
    if (rows >= TIMED_ROWS) this.rowMs = ms / rows;
  }
}
