import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OnnxScorer } from '../../models/onnx-scorer.js';
import { ModelStore } from '../../models/store.js';
import { V1_FEATURES } from '../../schema/features.js';
import { fewTreesModel } from '../../test/support/models.js';
import { ModelWatch } from './model-watch.js';
import { ModelsInForce } from './models.js';

const NOW_MS = Date.UTC(2026, 0, 1);

describe('the watched model directory', () => {
  let root: string;
  let serving: string;
  let models: ModelsInForce;
  let watch: ModelWatch;
  let refused: string[];
  let usable: string[];
  const silent = (): void => undefined;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'gpu-actuary-watch-'));
    serving = join(root, 'champion');
    [refused, usable] = [[], []];
    await fewTreesModel(serving, 'model-1');
    models = new ModelsInForce(await OnnxScorer.load(serving));
    watch = new ModelWatch({
      ...{ directory: serving, everyMs: 1_000, featureSet: 'v2', models },
      verdicts: { refused: (code) => refused.push(code), usable: (version) => usable.push(version) },
      log: { debug: silent, info: silent, warn: silent, error: silent },
    });
  });
  afterEach(async () => {
    await models.closeAll();
    await rm(root, { recursive: true, force: true });
  });
  const look = async (times: number): Promise<string> => {
    for (let time = 0; time < times; time++) await watch.look();
    return models.take().modelVersion;
  };

  it('brings in a promoted model once it has stood still for a look, with its run', async () => {
    expect(await look(3)).toBe('model-1');
    await fewTreesModel(join(root, 'new'), 'model-2', 'run-2');
    await new ModelStore(serving).promote(join(root, 'new'), NOW_MS);
    expect(await look(1)).toBe('model-1');
    expect(await look(1)).toBe('model-2');
    expect(models.current.runId).toBe('run-2');
    await new ModelStore(serving).rollback(NOW_MS);
    expect(await look(2)).toBe('model-1');
    expect([refused, usable]).toEqual([[], ['model-1', 'model-2', 'model-1']]);
  });

  it('refuses a damaged model once, keeps the one before, and takes it when it is whole', async () => {
    const whole = await readFile(join(serving, 'model.onnx'));
    await fewTreesModel(serving, 'model-2');
    await writeFile(join(serving, 'model.onnx'), whole.subarray(0, 1000));
    expect(await look(6)).toBe('model-1');
    expect(refused).toEqual(['model_corrupt']);
    await writeFile(join(serving, 'model.onnx'), whole);
    expect(await look(2)).toBe('model-2');
  });

  it('refuses a model of other features, and one that computes something else than training did', async () => {
    await fewTreesModel(serving, 'model-2', null, { features: [...V1_FEATURES].reverse() });
    expect(await look(2)).toBe('model-1');
    await fewTreesModel(join(root, 'other'), 'model-3');
    const golden = JSON.parse(await readFile(join(root, 'other', 'golden.json'), 'utf8')) as {
      failure_prob: number[][];
    };
    golden.failure_prob[0][2] += 0.01;
    await writeFile(join(root, 'golden.json'), JSON.stringify(golden));
    await rm(serving, { recursive: true });
    expect(await look(2)).toBe('model-1');
    await fewTreesModel(serving, 'model-3');
    await rm(join(serving, 'manifest.json'));
    await copyFile(join(root, 'golden.json'), join(serving, 'golden.json'));
    expect(await look(2)).toBe('model-1');
    expect(refused).toEqual(['model_mismatch', 'model_golden']);
  });
});
