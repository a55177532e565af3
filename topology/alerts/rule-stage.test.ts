import { expect, it } from 'vitest';
import { AlertBook } from '../../operators/alerts/rules.js';
import { DAY_MS } from '../../schema/clock.js';
import { decision, features, prediction, NOW_MS } from '../../test/fixtures/fleet-records.js';
import { RuleStage } from './rule-stage.js';

const CONFIG = {
  alerts: {
    ...{ role: 'serve', actionHours: 12, failureHours: 120, throttleHours: 8 },
    ...{ neighbourCelsius: 10, maintenanceFile: null },
  },
} as ConstructorParameters<typeof RuleStage>[0];

const everyone = (): boolean => true;

const said = (records: readonly { alert: string; state: string }[]): string[] =>
  records.map(({ alert, state }) => `${alert} ${state}`);

it('says nothing of a first decision, and a change once, also one from before it spoke', () => {
  const stage = new RuleStage(CONFIG, new AlertBook());
  const decide = (gpu: string, what: 'keep' | 'sell', ms: number): string[] =>
    said(stage.take('decisions', decision(gpu, { decision: what }, NOW_MS + ms)));
  expect([...decide('a', 'sell', 0), ...decide('b', 'keep', 0), ...decide('b', 'sell', 1)]).toEqual([]);
  expect(stage.speak(everyone).map(({ subject, state }) => `${subject} ${state}`)).toEqual(['b firing']);
  expect(decide('a', 'sell', 2)).toEqual([]);
  expect(decide('a', 'keep', 3)).toEqual(['decision_change firing']);
  expect(decide('a', 'keep', 4)).toEqual(['decision_change resolved']);
});

it('finds the neighbours of a GPU by the host that predictions name', () => {
  const stage = new RuleStage(CONFIG, new AlertBook());
  for (const gpu of ['a', 'b', 'c']) stage.take('predictions', prediction(gpu, { host: 'h1' }));
  const measure = (gpu: string, gpu_temp_mean: number, ms: number): string[] =>
    said(stage.take('features', { ...features(gpu, NOW_MS + ms), features: { gpu_temp_mean } }));
  measure('b', 60, 0);
  measure('c', 62, 0);
  stage.speak(everyone);
  expect(measure('a', 75, 1)).toEqual(['hot_beside_neighbours firing']);
  expect(measure('a', 70, 2)).toEqual([]);
  stage.take('predictions', prediction('b', { host: 'h2' }, NOW_MS + 3));
  expect(measure('a', 63, 3)).toEqual([]);
  stage.take('predictions', prediction('b', { host: 'h1' }, NOW_MS + 4));
  expect(measure('a', 63, 4)).toEqual(['hot_beside_neighbours resolved']);
});

it('resolves what fires of a GPU that is no longer missed, and keeps nothing of it', () => {
  const stage = new RuleStage(CONFIG, new AlertBook());
  stage.speak(everyone);
  const risky = (ms: number): string[] =>
    said(stage.take('predictions', prediction('a', { failure_prob_30d: 0.9, host: 'h1' }, NOW_MS + ms)));
  expect(risky(0)).toEqual(['risk_high firing']);
  expect(stage.forget('a', NOW_MS + 7 * DAY_MS)).toMatchObject([
    { alert: 'risk_high', subject: 'a', state: 'resolved', as_of: NOW_MS + 7 * DAY_MS },
  ]);
  expect(stage.forget('a', NOW_MS + 7 * DAY_MS)).toEqual([]);
  expect(risky(8 * DAY_MS)).toEqual(['risk_high firing']);
});

it('resolves at its start what fires of GPUs that left while nobody watched, and judges no old record of theirs', () => {
  const book = new AlertBook();
  const firing = { alert: 'risk_high', state: 'firing' as const, as_of: NOW_MS, detail: '90 % within 30 days' };
  for (const subject of ['gone', 'there']) book.restore({ ...firing, subject, gpu_uuid: subject });
  const stage = new RuleStage(CONFIG, book);
  for (const gpu of ['gone', 'there', 'new', 'never told'])
    stage.take('predictions', prediction(gpu, { failure_prob_30d: 0.9 }, NOW_MS));
  const found = stage.speak((gpu) => gpu === 'there' || gpu === 'new');
  expect(found.map(({ subject, state }) => `${subject} ${state}`)).toEqual(['new firing', 'gone resolved']);
  expect(book.firing().map(({ subject }) => subject)).toEqual(['there', 'new']);
});
