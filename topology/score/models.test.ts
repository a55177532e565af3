import { describe, expect, it } from 'vitest';
import type { Scorer } from '../../models/scorer.js';
import { ModelsInForce, checkFits, warnIfDear } from './models.js';

describe('the model in force', () => {
  const closed: string[] = [];
  const model = (modelVersion: string, featureSet = 'v2'): Scorer => ({
    ...{ modelVersion, featureSet, runId: null, digest: modelVersion, explainer: null, explanationMs: null },
    score: () => Promise.reject(new Error('not asked')),
    confidence: () => 0,
    close: () => {
      closed.push(modelVersion);
      return Promise.resolve();
    },
  });

  it('changes when a unit of work takes it, not before, and closes the one before then', () => {
    const switches: string[] = [];
    const models = new ModelsInForce(model('a'), (from, to) =>
      switches.push(`${from.modelVersion}-${to.modelVersion}`),
    );
    expect(models.take().modelVersion).toBe('a');
    models.offer(model('b'));
    expect([models.current.modelVersion, models.newest.modelVersion]).toEqual(['a', 'b']);
    expect([switches, closed]).toEqual([[], []]);
    expect(models.take().modelVersion).toBe('b');
    expect(models.take().modelVersion).toBe('b');
    expect([switches, closed]).toEqual([['a-b'], ['a']]);
  });

  it('skips a model that another one overtook, and closes it', async () => {
    closed.length = 0;
    const models = new ModelsInForce(model('a'));
    models.offer(model('b'));
    models.offer(model('c'));
    expect(closed).toEqual(['b']);
    expect(models.take().modelVersion).toBe('c');
    models.offer(model('d'));
    await models.closeAll();
    expect(closed).toEqual(['b', 'a', 'c', 'd']);
  });

  it('does not read features that are not kept', () => {
    expect(() => checkFits(model('a'), 'v2')).not.toThrow();
    expect(() => checkFits(model('a', 'v1'), 'v1')).not.toThrow();
    expect(() => checkFits(model('a'), 'v1')).toThrow(expect.objectContaining({ code: 'model_mismatch' }));
  });
});

it('says of a model whose reasons are dear what they cost, and nothing of others', () => {
  const said: object[] = [];
  const log = { warn: (fields: object) => void said.push(fields) };
  for (const explanationMs of [null, 0.04, 1, 1.04])
    warnIfDear({ modelVersion: 'large', explanationMs } as Scorer, log);
  expect(said).toEqual([{ model: 'large', explain_ms: 1 }]);
});
