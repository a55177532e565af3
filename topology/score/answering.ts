import type { Scorer } from '../../models/scorer.js';
import { Turn } from '../../schema/turn.js';
import type { Instruments } from '../instruments.js';
import type { Assessor } from './assess.js';
import type { ScoreUnit } from './folding.js';
import type { ModelsInForce } from './models.js';
import type { OwnedPartitions } from './owned-partitions.js';
import type { Pace } from './pace.js';

/** Rows that are assessed before the event loop is looked after: some ms if all of them are worth records, explained. */
const ASSESSED_ROWS = 16;

export interface AnsweringParts {
  readonly partitions: OwnedPartitions;
  readonly models: ModelsInForce;
  readonly assessor: Assessor;
  readonly pace: Pace;
  readonly instruments: Instruments;
}

/** Asks the model about all rows of a unit and turns its answers into records. */
export class Answering {
  constructor(private readonly parts: AnsweringParts) {}

  async answer(unit: ScoreUnit): Promise<void> {
    const { partitions, models, assessor, pace, instruments } = this.parts;
    const started = performance.now();
    const turn = new Turn();
    // One model a unit: another one begins between two of them.
    const scorer = models.take();
    for (const { state } of partitions.values()) {
      const { rows } = state;
      if (rows.count === 0) continue;
      const predictions = await scorer.score(rows);
      for (let from = 0; from < rows.count; from += ASSESSED_ROWS) {
        const until = Math.min(rows.count, from + ASSESSED_ROWS);
        instruments.undecided(assessor.assess(state, scorer, predictions, from, until, unit.work));
        if (turn.isOver()) await turn.next();
      }
      state.settle();
    }
    await this.keep(unit, scorer);
    const usedMs = performance.now() - started;
    pace.spent(usedMs, unit.rows);
    unit.modelSeconds = usedMs / 1000;
  }

  /** Adds to a unit what is to be known of the states after it. */
  private async keep({ work, offsets, isLast }: ScoreUnit, scorer: Scorer): Promise<void> {
    for (const position of offsets) {
      const kept = await this.parts.partitions.records(position, scorer, isLast);
      if (kept !== null) work.keep(kept);
    }
  }
}
