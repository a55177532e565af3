import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DAY_MS } from '../../schema/clock.js';
import { ActuaryError, messageOf } from '../../schema/errors.js';
import { makeDirectory } from '../../schema/make-directory.js';
import { enrol } from '../../simulator/case-cohort.js';
import { PEAKS } from '../../simulator/defect.js';
import { Population } from '../../simulator/population.js';
import { Random } from '../../simulator/random.js';
import { healthyRates, LOOK_ALIKE, SIGNALS } from '../../simulator/signals.js';
import { TALLIES, TALLY_COUNT } from '../../simulator/tally.js';
import { Truth } from '../../simulator/truth.js';
import { ROW_COLUMNS, ROW_WIDTH } from './columns.js';
import { NpyWriter } from './npy.js';
import { gapMs, PeriodMaker, PUBLISHED } from './period-rows.js';
import { FOLLOW_DAYS, PERIOD_BEGIN_DAYS, PERIOD_DAYS, ROW_DAYS, type FleetPlan } from './plan.js';

/** Begin of every fleet: a midnight. */
const START_MS = Date.UTC(2026, 0, 1);

/** What came of a fleet. */
export interface FleetSummary {
  readonly rows: number;
  /** GPUs with telemetry, counted once a period. */
  readonly enrolled: number;
  /** Of them, GPUs that fail while they are followed. */
  readonly failing: number;
  readonly samples: number;
}

/**
 * Makes a fleet and writes its files into a directory: features.npy (float32 [rows, features]), rows.npy (float64
 * [rows, columns]), daily.npy (float32 [rows, days, tallies]), and last, as a sign that they are whole, fleet.json.
 * @throws ActuaryError output_unwritable
 */
export async function writeFleetFiles(plan: FleetPlan, directory: string): Promise<FleetSummary> {
  const { world, seed, gpus } = plan;
  const days = PERIOD_BEGIN_DAYS[PERIOD_BEGIN_DAYS.length - 1] + PERIOD_DAYS + FOLLOW_DAYS;
  const { boards } = new Population({ world, seed, gpus, startMs: START_MS, days });
  const numbers = new Map(boards.map(({ facts }, index) => [facts.uuid, index]));
  const truth = new Truth(world);
  const summary = { rows: 0, enrolled: 0, failing: 0, samples: 0 };
  try {
    await rm(directory, { recursive: true, force: true });
    await makeDirectory(directory);
    const features = await NpyWriter.create(join(directory, 'features.npy'), 'f4', [PUBLISHED.length]);
    const rows = await NpyWriter.create(join(directory, 'rows.npy'), 'f8', [ROW_WIDTH]);
    const daily = await NpyWriter.create(join(directory, 'daily.npy'), 'f4', [PERIOD_DAYS, TALLY_COUNT]);
    for (const [period, beginDay] of PERIOD_BEGIN_DAYS.entries()) {
      const enrolled = enrol(
        boards,
        { beginDay, days: PERIOD_DAYS, followDays: FOLLOW_DAYS },
        plan.sampled,
        new Random(seed, `enrol/${period}`),
      );
      const beginMs = START_MS + beginDay * DAY_MS;
      const numberOf = (uuid: string): number => numbers.get(uuid)!;
      const made = new PeriodMaker({ plan, period, beginMs, enrolled, truth, numberOf }).make();
      await features.append(made.features);
      await rows.append(made.rows);
      await daily.append(made.daily);
      const until = beginDay + PERIOD_DAYS + FOLLOW_DAYS;
      summary.rows += made.count;
      summary.samples += made.samples;
      summary.enrolled += enrolled.length;
      summary.failing += enrolled.filter(({ board }) => board.life.failedDay < until).length;
    }
    for (const file of [features, rows, daily]) await file.close();
    await writeFile(join(directory, 'fleet.json'), `${JSON.stringify(describe(plan, summary), null, 1)}\n`);
  } catch (error) {
    throw new ActuaryError('output_unwritable', `${directory}: ${messageOf(error)}`, { cause: error });
  }
  return summary;
}

function describe(plan: FleetPlan, summary: FleetSummary): object {
  const { name, split, world, seed, gpus, sampled, cadenceMs } = plan;
  return {
    name,
    split,
    world,
    // What an oracle knows beside the world: how defects and healthy boards show.
    laws: { signals: SIGNALS, healthy: healthyRates(world.lookAlikes.noise), look_alike: LOOK_ALIKE, peaks: PEAKS },
    seed,
    gpus,
    sampled_a_period: sampled,
    cadence_ms: cadenceMs,
    gap_ms: gapMs(cadenceMs),
    period_begin_days: PERIOD_BEGIN_DAYS,
    row_days: ROW_DAYS,
    features: PUBLISHED,
    columns: ROW_COLUMNS.map(([column, description]) => ({ name: column, description })),
    daily: TALLIES.map(([tally, description]) => ({ name: tally, description })),
    ...summary,
  };
}
