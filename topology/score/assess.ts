import { coverageClass, coverageOf } from '../../models/coverage.js';
import type { Predictions, Scorer } from '../../models/scorer.js';
import { PROFILES, type ValuationProfile } from '../../operators/decide.js';
import { HealthGrader, nextGrade } from '../../operators/health.js';
import { DUE_ABSENCE } from '../../operators/due.js';
import type { Config } from '../../schema/config.js';
import { FEATURE_COUNT } from '../../schema/features.js';
import type { PartitionState } from './partition-state.js';
import { decisionOf, healthOf, predictionOf } from './records.js';
import type { UnitOfWork } from './unit.js';

/**
 * Turns the model's answers on a block of rows into the records worth emitting: predictions, health, decisions. Rows
 * of a GPU come in event-time order, for each is judged against what was emitted before it.
 */
export class Assessor {
  private readonly grader;
  private readonly profile: ValuationProfile;
  /** Models without a price that were named in the log; each is named once. */
  private readonly unpriced = new Set<string>();

  /** @param onUnpriced called once for each model that has no price */
  constructor(
    config: Config,
    private readonly onUnpriced: (model: string) => void,
  ) {
    this.grader = new HealthGrader(config.health);
    this.profile = PROFILES[config.decisions.profile];
  }

  /**
   * Assesses the rows `from` (included) to `until` (excluded).
   * @returns how many decisions were due and could not be made, by code
   */
  assess(
    state: PartitionState,
    scorer: Scorer,
    predictions: Predictions,
    from: number,
    until: number,
    work: UnitOfWork,
  ): Record<'no_health' | 'no_price', number> {
    const { windows, emission, rows } = state;
    const missing = { no_health: 0, no_price: 0 };
    for (let row = from; row < until; row++) {
      const slot = rows.slot[row];
      const due = rows.due[row];
      const offset = row * FEATURE_COUNT;
      const gpuUuid = windows.uuidOf(slot);
      const metadata = rows.metadata[row];
      const { model } = metadata;
      const head = { gpu_uuid: gpuUuid, as_of: rows.asOfMs[row], newest_reading_at: rows.newestMs[row] };
      const prob30d = predictions.prob30d[row];
      if ((due & DUE_ABSENCE) !== 0) {
        // Outside of what was said before: that decides what the GPU's readings are worth saying, and they alone.
        work.absent(gpuUuid, head.as_of, head.newest_reading_at, rows.values, offset);
        work.add('predictions', gpuUuid, {
          ...predictionOf({ ...head, trigger: 'absence' }, metadata, scorer, predictions, row, rows.values, offset),
          ...work.provenance,
        });
        continue;
      }

      const told = emission.prediction(
        slot,
        due,
        predictions.prob7d[row],
        prob30d,
        predictions.prob90d[row],
        predictions.type[row],
        coverageClass(coverageOf(rows.values, offset)),
      );
      if (told !== null) {
        const record = predictionOf(
          { ...head, trigger: told },
          metadata,
          scorer,
          predictions,
          row,
          rows.values,
          offset,
        );
        work.add('predictions', gpuUuid, { ...record, ...work.provenance });
      }

      const scored = this.grader.score(rows.values, offset, model);
      const score = Number.isNaN(scored) ? null : scored;
      const grade = nextGrade(emission.grade(slot), score);
      const graded = emission.health(slot, due, grade);
      if (graded !== null) {
        const record = healthOf({ ...head, trigger: graded }, this.grader, rows.values, offset, model, grade);
        work.add('health', gpuUuid, { ...record, ...work.provenance });
      }

      const decided = emission.decision(slot, due, grade);
      if (decided === null) continue;
      const decision = decisionOf({ ...head, trigger: decided }, this.profile, model, score, grade, prob30d);
      if (typeof decision === 'string') {
        missing[decision]++;
        if (decision === 'no_price') this.nameUnpriced(model ?? 'unknown');
      } else work.add('decisions', gpuUuid, { ...decision, ...work.provenance });
    }
    return missing;
  }

  private nameUnpriced(model: string): void {
    if (this.unpriced.has(model)) return;
    this.unpriced.add(model);
    this.onUnpriced(model);
  }
}
