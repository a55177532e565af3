import { Runs } from '../../operators/window/runs.js';
import { RowResults } from '../../operators/window/window.js';
import { WindowStore, type WindowStoreOptions } from '../../operators/window/window-store.js';
import type { SampleBatch } from '../../schema/batch.js';
import { HOUR_MS } from '../../schema/clock.js';
import { benchBatch, benchUuid, randomOf } from '../fleet.js';

const SAMPLES_PER_BATCH = 500;
const START_MS = Date.UTC(2026, 0, 1);

/** Windows of a fleet and the batches that are folded into them, again and again, with later times. */
export class FleetWindows {
  readonly store: WindowStore;
  /** Batches by round; each round has a sample of every GPU. */
  readonly rounds: SampleBatch[][] = [];
  /** Time of the next round. */
  timeMs = START_MS;
  samplesFolded = 0;
  private round = 0;
  private refused = 0;
  private readonly results = new RowResults();
  private readonly runs = new Runs();
  private readonly slots = new Int32Array(SAMPLES_PER_BATCH);

  /** @param rounds of readings that are kept ready and used in turn */
  constructor(
    readonly gpus: number,
    rounds: number,
    options: Pick<WindowStoreOptions, 'featureSet' | 'windowHours'>,
  ) {
    this.store = new WindowStore({ gapMs: 300_000, asset: () => undefined, ...options });
    const random = randomOf(1);
    for (let round = 0; round < rounds; round++) {
      const batches: SampleBatch[] = [];
      for (let at = 0; at < gpus; at += SAMPLES_PER_BATCH) {
        const count = Math.min(SAMPLES_PER_BATCH, gpus - at);
        const uuids = Array.from({ length: count }, (_, index) => benchUuid(at + index));
        batches.push(benchBatch(uuids, START_MS, at, random));
      }
      this.rounds.push(batches);
    }
  }

  /** One sample of every GPU, and the clock goes on. @throws Error if a reading is refused */
  fold(stepMs: number): void {
    for (const batch of this.rounds[this.round++ % this.rounds.length]) this.foldBatch(batch);
    this.timeMs += stepMs;
    if (this.refused > 0) throw new Error(`${this.refused} readings were refused`);
  }

  /** Closed hours, the more the fuller the windows; two samples a GPU in each. */
  fill(hours: number): void {
    for (let hour = 0; hour < hours; hour++) {
      this.fold(HOUR_MS / 60);
      this.fold(HOUR_MS - HOUR_MS / 60);
    }
  }

  /** Looks at every reading of a round and does nothing with it: the least that a sample costs. @returns their sum */
  readBare(round = 0): number {
    let sum = 0;
    for (const batch of this.rounds[round % this.rounds.length])
      for (const column of batch.columns)
        if (column !== undefined) for (let row = 0; row < column.length; row++) sum += column[row];
    if (Number.isNaN(sum)) throw new Error('a reading was NaN');
    return sum;
  }

  private foldBatch(batch: SampleBatch): void {
    const { store, slots } = this;
    batch.eventTimeMs.fill(this.timeMs);
    this.samplesFolded += batch.count;
    for (let gpu = 0; gpu < batch.gpus.length; gpu++) slots[gpu] = store.slotOf(batch.gpus[gpu]);
    const refuse = (): void => void this.refused++;
    const runs = this.runs.begin(batch);
    for (let from = 0; from < batch.count;) {
      const until = runs.end(from);
      store.acceptRows(batch, from, until, slots, refuse, refuse, this.results);
      from = until;
    }
  }
}
