/** When each reading of a fleet was sent and when it, or what became of it, was met: one reading a GPU and round. */
export class Arrivals {
  private readonly sentMs: Float64Array;
  private readonly metMs: Float64Array;

  constructor(
    private readonly gpus: number,
    rounds: number,
  ) {
    this.sentMs = new Float64Array(gpus * rounds).fill(NaN);
    this.metMs = new Float64Array(gpus * rounds).fill(NaN);
  }

  sent(gpu: number, round: number, atMs: number): void {
    this.sentMs[round * this.gpus + gpu] = atMs;
  }

  /** Only the first time counts. */
  met(gpu: number, round: number, atMs: number): void {
    const at = round * this.gpus + gpu;
    if (Number.isNaN(this.metMs[at])) this.metMs[at] = atMs;
  }

  sentAt(gpu: number, round: number): number {
    return this.sentMs[round * this.gpus + gpu];
  }

  /** Latencies of the readings of some rounds, ascending, ms; and how many of those sent were never met. */
  latencies(fromRound: number, untilRound: number): { readonly sorted: Float64Array; readonly missing: number } {
    const latencies: number[] = [];
    let missing = 0;
    for (let at = fromRound * this.gpus; at < untilRound * this.gpus; at++) {
      const latency = this.metMs[at] - this.sentMs[at];
      if (!Number.isNaN(latency)) latencies.push(latency);
      else if (!Number.isNaN(this.sentMs[at])) missing++;
    }
    return { sorted: Float64Array.from(latencies).sort(), missing };
  }
}
