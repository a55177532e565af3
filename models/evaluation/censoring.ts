/**
 * What is not known of a GPU that was not watched for a whole horizon is made up for by those that were: each row of a
 * known outcome stands for as many as were as likely to be watched that long (inverse probability of censoring weights).
 * Leaving unknown rows out without that would leave out GPUs that live, and call every model too careful.
 */
export class Censoring {
  /** Days at which rows went out of sight, ascending, and the share that is still watched after each. */
  private readonly atDays: number[] = [];
  private readonly watchedAfter: number[] = [];

  /**
   * Kaplan–Meier's estimate of how long rows are watched.
   * @param followedDays by row: days until it failed, or until it went out of sight
   * @param failed by row: whether it failed then
   */
  constructor(followedDays: Float64Array, failed: Uint8Array) {
    const order = Uint32Array.from(followedDays, (_, row) => row).sort((a, b) => followedDays[a] - followedDays[b]);
    let watched = 1;
    for (let first = 0; first < order.length;) {
      const days = followedDays[order[first]];
      let [end, lost] = [first, 0];
      for (; end < order.length && followedDays[order[end]] === days; end++) lost += 1 - failed[order[end]];
      // Who fails at the same time has failed before.
      const atRisk = order.length - end + lost;
      if (lost > 0) {
        watched *= 1 - lost / atRisk;
        this.atDays.push(days);
        this.watchedAfter.push(watched);
      }
      first = end;
    }
  }

  /** Share of rows that are watched for at least so long. */
  watchedFor(days: number): number {
    let [low, high] = [0, this.atDays.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.atDays[middle] < days) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 1 : this.watchedAfter[low - 1];
  }
}
