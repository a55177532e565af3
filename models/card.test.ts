import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FEATURES, V1_FEATURES, V2_FEATURES } from '../schema/features.js';
import { FAILURE_TYPES } from '../schema/records.js';
import { checkCard, readModel } from './card.js';

const card = {
  format: 1,
  model_version: 'hazard-v1-0000',
  sha256: createHash('sha256').update('graph').digest('hex'),
  feature_set: 'v1',
  features: [...V1_FEATURES],
  horizons_days: [7, 30, 90],
  failure_types: [...FAILURE_TYPES],
  calibration_30d: [{ from: 0, to: 1, rows: 10, failures: 1, predicted: 0.1, low: 0.05, high: 0.2 }],
  metrics: { anything: 'for people' },
};

describe('checkCard', () => {
  it('takes the features of v1, and those of v1 and v2', () => {
    expect(checkCard(card, 'card.json').features).toHaveLength(27);
    const wide = { ...card, feature_set: 'v2', features: [...V1_FEATURES, ...V2_FEATURES] };
    expect(checkCard(wide, 'card.json').features).toHaveLength(V1_FEATURES.length + V2_FEATURES.length);
  });

  it.each<[string, object]>([
    ['features in another order', { features: ['gpu_temp_std', 'gpu_temp_mean'] }],
    ['a feature that this engine has not', { features: [...V1_FEATURES, 'fan_speed'] }],
    ['more than the published features', { features: FEATURES.map(({ name }) => name) }],
    ['other horizons', { horizons_days: [30] }],
    ['other failure types', { failure_types: ['memory', 'other'] }],
  ])('calls %s a mismatch and says what to do', (_, change) => {
    expect(() => checkCard({ ...card, ...change }, 'card.json')).toThrow(
      expect.objectContaining({ code: 'model_mismatch', message: expect.stringContaining('npm run train') as string }),
    );
  });

  it.each<[string, unknown]>([
    ['no object', 'card'],
    ['a missing field', { ...card, model_version: undefined }],
    ['a later format', { ...card, format: 2 }],
    ['a probability beyond 1', { ...card, calibration_30d: [{ ...card.calibration_30d[0], high: 2 }] }],
  ])('calls %s corrupt', (_, broken) => {
    expect(() => checkCard(broken, 'card.json')).toThrow(expect.objectContaining({ code: 'model_corrupt' }));
  });
});

describe('readModel', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gpu-actuary-model-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const put = (file: string, text: string): Promise<void> => writeFile(join(directory, file), text);

  it('reads a card and the very file that it describes', async () => {
    await put('card.json', JSON.stringify(card));
    await put('model.onnx', 'graph');
    const model = await readModel(directory);
    expect(model.card.model_version).toBe('hazard-v1-0000');
    expect(model.onnx.toString()).toBe('graph');
  });

  it('says where a model is missing and how to get or do without one', async () => {
    await put('card.json', JSON.stringify(card));
    await expect(readModel(directory)).rejects.toMatchObject({
      code: 'model_missing',
      message: expect.stringMatching(/model\.onnx.*model\.directory.*npm run train.*null/) as string,
    });
    await expect(readModel(join(directory, 'none'))).rejects.toMatchObject({ code: 'model_missing' });
  });

  it('refuses a file that is not the one its card describes', async () => {
    await put('card.json', JSON.stringify(card));
    await put('model.onnx', 'grapf');
    await expect(readModel(directory)).rejects.toMatchObject({ code: 'model_corrupt' });
  });

  it('refuses a card that is not JSON', async () => {
    await put('card.json', '{"format":');
    await put('model.onnx', 'graph');
    await expect(readModel(directory)).rejects.toMatchObject({ code: 'model_corrupt' });
  });
});
