import { expect, it } from 'vitest';
import { AlertBook } from '../../operators/alerts/rules.js';
import { decision, features, prediction, NOW_MS } from '../../test/fixtures/fleet-records.js';
import { RuleStage } from './rule-stage.js';

const CONFIG = {
  alerts: {
    ...{ role: 'serve', actionHours: 12, failureHours: 120, throttleHours: 8 },
    ...{ neighbourCelsius: 10, maintenanceFile: null },
  },
} as ConstructorParameters<typeof RuleStage>[0];

const said = (records: readonly { alert: string; state: string }[]): string[] =>
  records.map(({ alert, state }) => `${alert} ${state}`);

it('says nothing of a first decision, and a change once, also one from before it spoke', () => {
  const stage = new RuleStage(CONFIG, new AlertBook());
  const decide = (gpu: string, what: 'keep' | 'sell', ms: number): string[] =>
    said(stage.take('decisions', decision(gpu, { decision: what }, NOW_MS + ms)));
  expect([...decide('a', 'sell', 0), ...decide('b', 'keep', 0), ...decide('b', 'sell', 1)]).toEqual([]);
  expect(stage.speak().map(({ subject, state }) => `${subject} ${state}`)).toEqual(['b firing']);
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
  stage.speak();
  expect(measure('a', 75, 1)).toEqual(['hot_beside_neighbours firing']);
  expect(measure('a', 70, 2)).toEqual([]);
  stage.take('predictions', prediction('b', { host: 'h2' }, NOW_MS + 3));
  expect(measure('a', 63, 3)).toEqual([]);
  stage.take('predictions', prediction('b', { host: 'h1' }, NOW_MS + 4));
  expect(measure('a', 63, 4)).toEqual(['hot_beside_neighbours resolved']);
});
