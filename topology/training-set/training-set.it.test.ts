import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createDecoder } from '../../operators/decode/decoders.js';
import { WindowStore } from '../../operators/window/window-store.js';
import { BatchBuilder } from '../../schema/batch.js';
import { DAY_MS, MINUTE_MS } from '../../schema/clock.js';
import { FEATURE_COUNT } from '../../schema/features.js';
import { packageRoot } from '../../schema/package-root.js';
import { enrol, type Enrolled } from '../../simulator/case-cohort.js';
import { prometheusText } from '../../simulator/formats/prometheus-text.js';
import { assetOf } from '../../simulator/inventory.js';
import { Population } from '../../simulator/population.js';
import { Random } from '../../simulator/random.js';
import { T, TALLIES, TALLY_COUNT } from '../../simulator/tally.js';
import { Telemetry } from '../../simulator/telemetry.js';
import { Truth } from '../../simulator/truth.js';
import { trainedWorld } from '../../simulator/worlds.js';
import { R, ROW_COLUMNS, ROW_WIDTH } from './columns.js';
import { writeFleetFiles } from './fleet-files.js';
import { PeriodMaker, PUBLISHED } from './period-rows.js';
import { DEFAULT_PLAN, FOLLOW_DAYS, PERIOD_DAYS, QUICK_PLAN, type FleetPlan } from './plan.js';

const START_MS = Date.UTC(2026, 0, 1);
const PLAN: FleetPlan = {
  name: 'test',
  split: 'train',
  world: trainedWorld(4),
  seed: 23,
  gpus: 800,
  sampled: 40,
  cadenceMs: 30 * MINUTE_MS,
};
const { world, seed } = PLAN;
const { boards } = new Population({ world, seed, gpus: PLAN.gpus, startMs: START_MS, days: 300 });
const PERIOD = { beginDay: 91, days: PERIOD_DAYS, followDays: FOLLOW_DAYS };
const BEGIN_MS = START_MS + PERIOD.beginDay * DAY_MS;
const enrolled = enrol(boards, PERIOD, PLAN.sampled, new Random(seed, 'enrol'));
const maker = (): PeriodMaker =>
  new PeriodMaker({
    plan: PLAN,
    period: 1,
    beginMs: BEGIN_MS,
    enrolled,
    truth: new Truth(world),
    numberOf: (uuid) => boards.findIndex(({ facts }) => facts.uuid === uuid),
  });
const made = maker().make();
const column = (name: keyof typeof R): number[] =>
  Array.from({ length: made.count }, (_, row) => made.rows[row * ROW_WIDTH + R[name]]);

describe('the sample of a fleet', () => {
  const weightOf = (of: (one: Enrolled) => boolean): number =>
    enrolled.filter(of).reduce((sum, { weight }) => sum + weight, 0);
  const inService = boards.filter(({ life }) => life.options.deployedDay < 99 && life.endDay > PERIOD.beginDay);

  it('holds every failure once, and stands for the whole fleet', () => {
    const failing = inService.filter(({ life }) => life.failedDay < 99 + FOLLOW_DAYS);
    expect(failing.length).toBeGreaterThan(5);
    expect(weightOf(({ board }) => board.life.failedDay < 99 + FOLLOW_DAYS)).toBe(failing.length);
    expect(weightOf(() => true)).toBeCloseTo(inService.length, 6);
    expect(enrolled.length).toBeLessThan(inService.length / 3);
  });

  it('counts what the fleet counts, within its error', () => {
    const weights = enrolled.map(({ weight }) => weight).filter((weight) => weight > 1);
    expect(weights).toHaveLength(PLAN.sampled);
    const old = inService.filter(({ facts }) => facts.position < 4).length;
    // Forty GPUs of a half each: four standard deviations.
    const error = 4 * weights[0] * Math.sqrt(PLAN.sampled / 4);
    expect(Math.abs(weightOf(({ board }) => board.facts.position < 4) - old)).toBeLessThan(error);
  });
});

describe('rows', () => {
  it('have the features that the engine computes from exposition text of the same telemetry', () => {
    const telemetry = new Telemetry({
      world,
      seed,
      boards: enrolled.map(({ board }) => board),
      startMs: BEGIN_MS,
      cadenceMs: PLAN.cadenceMs,
      stream: '/1',
    });
    const assets = new Map(
      enrolled.map(({ board: { facts } }) => [facts.uuid, assetOf(seed, facts, BEGIN_MS)] as const),
    );
    const windows = new WindowStore({ gapMs: 2.5 * PLAN.cadenceMs, asset: (uuid) => assets.get(uuid) });
    const decoder = createDecoder('prometheus-text', { profUnit: 'ratio', maxMessageBytes: 1 << 20 });
    const builder = new BatchBuilder();
    const reject = (): void => undefined;
    const heard = new Set<string>();
    for (const scrape of telemetry.scrapes(PERIOD_DAYS)) {
      const { kind, renamed } = scrape.gpus[0].exporter;
      heard.add(`${kind} ${renamed}`);
      builder.from('test', 0, 0);
      const value = Buffer.from(prometheusText(scrape));
      const message = { topic: 'test', partition: 0, offset: 0, timestampMs: scrape.timeMs, key: null, value };
      decoder.decode(message, builder, reject);
      const batch = builder.build();
      for (let row = 0; row < batch.count; row++)
        windows.accept(batch, row, windows.slotOf(batch.gpus[batch.gpuIndex[row]]), reject);
    }
    const asOf = (BEGIN_MS + PERIOD_DAYS * DAY_MS) / DAY_MS;
    const gpus = column('gpu');
    const full = column('as_of_days').flatMap((day, row) => (day === asOf ? [row] : []));
    expect(full.length).toBeGreaterThan(30);
    const expected = new Float64Array(FEATURE_COUNT);
    for (const row of full) {
      const { uuid } = boards[gpus[row]].facts;
      windows.features(windows.find(uuid), asOf * DAY_MS, expected, 0);
      PUBLISHED.forEach((name, index) => {
        const value = made.features[row * PUBLISHED.length + index];
        if (Number.isNaN(expected[index])) expect(value, `${uuid} ${name}`).toBeNaN();
        else expect(Math.abs(value - expected[index]), `${uuid} ${name}`).toBeLessThan(1e-9 * (1 + Math.abs(value)));
      });
    }
    // Whatever exporters send was compared.
    for (const kind of ['full', 'default', 'old', 'minimal']) expect([...heard].join()).toContain(kind);
    expect([...heard].join()).toContain('true');
    expect(telemetry.gpus.some(({ exporter, facts }) => exporter !== facts.host.exporter)).toBe(true);
  });

  it('say what becomes of their GPU', () => {
    const [failure, exit, type, age, weight] = (
      ['days_to_failure', 'exit_days', 'type', 'age_days', 'weight'] as const
    ).map(column);
    for (let row = 0; row < made.count; row++) {
      const failed = !Number.isNaN(failure[row]);
      expect(failed).toBe(type[row] >= 0);
      if (failed) expect(exit[row]).toBe(failure[row]);
      expect(exit[row]).toBeGreaterThan(0);
      expect(exit[row]).toBeLessThanOrEqual(PERIOD_DAYS + FOLLOW_DAYS);
      expect(age[row]).toBeGreaterThan(0);
      expect(weight[row]).toBeGreaterThanOrEqual(1);
    }
    const [week, month, quarter] = (['true_risk_7d', 'true_risk_30d', 'true_risk_90d'] as const).map(column);
    for (let row = 0; row < made.count; row++) {
      if (week[row] === 1) continue; // a silence that is a failure: looked at below
      expect(week[row]).toBeGreaterThan(0);
      expect(month[row]).toBeGreaterThan(week[row]);
      expect(quarter[row]).toBeGreaterThan(month[row]);
      expect(quarter[row]).toBeLessThan(1);
    }
    expect(Math.max(...quarter)).toBeGreaterThan(20 * Math.min(...quarter));
  });

  it('hold what is said of a GPU that falls silent, once a silence', () => {
    const [absence, asOf, gpu, risk, failure] = (
      ['absence', 'as_of_days', 'gpu', 'true_risk_7d', 'days_to_failure'] as const
    ).map(column);
    const silentMinutes = PUBLISHED.indexOf('silent_minutes');
    const silences = absence.flatMap((is, row) => (is === 1 ? [row] : []));
    expect(new Set(silences.map((row) => `${gpu[row]} ${asOf[row]}`)).size).toBe(silences.length);
    for (const row of silences) {
      expect(made.features[row * PUBLISHED.length + silentMinutes]).toBeCloseTo(0.5, 9);
      const { life } = boards[gpu[row]];
      const isDead = risk[row] === 1;
      expect(life.failedDay - life.day(asOf[row] * DAY_MS) < (2 * PLAN.cadenceMs) / DAY_MS).toBe(isDead);
      if (isDead) expect(failure[row]).toBeCloseTo((2 * PLAN.cadenceMs - 10_000) / DAY_MS, 6);
    }
    // Whoever falls off the bus after the first day, and is in no host that was away already, is among them.
    const dead = new Set(silences.filter((row) => risk[row] === 1).map((row) => gpu[row]));
    const died = enrolled.filter(
      ({ board: { life, facts } }) =>
        life.failedDay > PERIOD.beginDay + 1.5 &&
        life.failedDay < PERIOD.beginDay + PERIOD_DAYS - 0.2 &&
        facts.deploymentMs < BEGIN_MS,
    );
    expect(died.length).toBeGreaterThan(1);
    expect(dead.size).toBeGreaterThanOrEqual(died.length / 2);
    expect(silences.length).toBeGreaterThan(5 * dead.size);
  });

  it('recall each day before them, as far as the exporter tells of it', () => {
    const observed = column('observed_days');
    const absence = column('absence');
    let [told, unsent] = [0, 0];
    for (let row = 0; row < made.count; row++) {
      const day = (index: number, tally: number): number =>
        made.daily[(row * PERIOD_DAYS + index) * TALLY_COUNT + tally];
      for (let index = 0; index < PERIOD_DAYS; index++) {
        const before = PERIOD_DAYS - 1 - index >= observed[row];
        if (before) expect(day(index, T.days)).toBeNaN();
      }
      const last = PERIOD_DAYS - 1;
      // Nothing is told of a day without a reading, and silences are told within a day.
      if (absence[row] === 1 || Number.isNaN(day(last, T.days))) continue;
      expect(day(last, T.days)).toBeGreaterThan(0);
      expect(day(last, T.days)).toBeLessThan(1.03);
      unsent += Number.isNaN(day(last, T.sbe)) ? 1 : 0;
      const resistance = day(last, T.resistance_days) / day(last, T.days);
      expect(resistance).toBeGreaterThan(0.03);
      expect(resistance).toBeLessThan(0.25);
      told += day(last, T.pcie_replays) > 0 ? 1 : 0;
    }
    expect(told).toBeGreaterThan(0);
    expect(unsent).toBeGreaterThan(0);
    expect(unsent).toBeLessThan(made.count);
  });

  it('are the same for the same seed', () => {
    const again = maker().make();
    expect(again.features).toEqual(made.features);
    expect(again.rows).toEqual(made.rows);
    expect(again.daily).toEqual(made.daily);
  });
});

describe('the files', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gpu-actuary-training-set-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('are arrays of NumPy, and a description of their columns', async () => {
    const plan: FleetPlan = { ...PLAN, gpus: 80, sampled: 5, cadenceMs: 60 * MINUTE_MS };
    const { rows } = await writeFleetFiles(plan, directory);
    const read = (name: string): { header: string; bytes: number } => {
      const bytes = readFileSync(join(directory, name));
      expect(bytes.subarray(0, 8).toString('latin1')).toBe('\x93NUMPY\x01\x00');
      expect(bytes.readUInt16LE(8)).toBe(118);
      return { header: bytes.subarray(10, 128).toString('latin1'), bytes: bytes.length - 128 };
    };
    const features = read('features.npy');
    expect(features.header).toMatch(
      new RegExp(`^{'descr': '<f4', 'fortran_order': False, 'shape': \\(${rows}, ${PUBLISHED.length},\\), } *\n$`),
    );
    expect(features.bytes).toBe(4 * rows * PUBLISHED.length);
    expect(read('rows.npy').bytes).toBe(8 * rows * ROW_WIDTH);
    expect(read('daily.npy').bytes).toBe(4 * rows * PERIOD_DAYS * TALLY_COUNT);
    const card = JSON.parse(readFileSync(join(directory, 'fleet.json'), 'utf8')) as Record<string, unknown>;
    expect(card).toMatchObject({ name: 'test', rows, features: PUBLISHED, cadence_ms: 3_600_000, gap_ms: 9_000_000 });
    expect(card.columns).toHaveLength(ROW_WIDTH);
    expect(card.daily).toHaveLength(TALLY_COUNT);
  });

  it('are documented column by column', () => {
    const text = readFileSync(join(packageRoot(), 'docs', 'training-set.md'), 'utf8');
    for (const [name, description] of [...ROW_COLUMNS, ...TALLIES])
      expect(text).toContain(`| ${name} | ${description} |`);
  });
});

describe('plans', () => {
  it('never test on a fleet that is trained on, nor train on a world that is kept from training', () => {
    for (const plan of [DEFAULT_PLAN, QUICK_PLAN]) {
      expect(new Set(plan.map((fleet) => fleet.seed)).size).toBe(plan.length);
      expect(new Set(plan.map((fleet) => fleet.name)).size).toBe(plan.length);
      const worlds = (splits: string[]): string[] =>
        plan.filter(({ split }) => splits.includes(split)).map((fleet) => fleet.world.name);
      for (const name of worlds(['untrained'])) expect(worlds(['train', 'calibrate', 'test'])).not.toContain(name);
    }
    expect(DEFAULT_PLAN.filter(({ split }) => split === 'train').length).toBeGreaterThanOrEqual(20);
  });
});
