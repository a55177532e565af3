import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Type, type Static } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { ActuaryError, messageOf } from '../schema/errors.js';
import { FEATURES } from '../schema/features.js';
import { FAILURE_TYPES } from '../schema/records.js';
import { HORIZON_DAYS } from './survival.js';

/** What a model is, beside the model: its inputs in order, where it comes from, how good it is, how sure. */

const Probability = Type.Number({ minimum: 0, maximum: 1 });

const CalibrationBin = Type.Object({
  /** Bounds of the predicted 30-day probability, [from, to). */
  from: Probability,
  to: Probability,
  rows: Type.Integer({ minimum: 0 }),
  failures: Type.Integer({ minimum: 0 }),
  predicted: Probability,
  /** 90 % interval of the true rate in the bin. */
  low: Probability,
  high: Probability,
});

const Card = Type.Object({
  format: Type.Literal(1),
  model_version: Type.String({ minLength: 1 }),
  /** SHA-256 of model.onnx, hexadecimal. */
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  feature_set: Type.Union([Type.Literal('v1'), Type.Literal('v2')]),
  /** Columns of the input, in order. */
  features: Type.Array(Type.String(), { minItems: 1 }),
  horizons_days: Type.Array(Type.Number()),
  failure_types: Type.Array(Type.String()),
  /** Held-out calibration of the 30-day probability; bins in ascending order from 0 to 1. */
  calibration_30d: Type.Array(CalibrationBin, { minItems: 1 }),
});

export type CalibrationBin = Static<typeof CalibrationBin>;
/** The fields of card.json that the engine reads; data, seeds and metrics stand beside them for people. */
export type ModelCard = Static<typeof Card>;

const TRAIN_HINT = 'Restore model.onnx and card.json together, or make them anew with `npm run train`.';

/** Files of a model directory that scoring needs, checked against each other. */
export interface ModelFiles {
  readonly card: ModelCard;
  readonly onnx: Buffer;
}

/**
 * Reads and checks a model directory.
 * @throws ActuaryError model_missing, model_corrupt or model_mismatch
 */
export async function readModel(directory: string): Promise<ModelFiles> {
  const cardFile = join(directory, 'card.json');
  const onnxFile = join(directory, 'model.onnx');
  const cardText = (await read(cardFile)).toString('utf8');
  const onnx = await read(onnxFile);
  let card: unknown;
  try {
    card = JSON.parse(cardText);
  } catch (error) {
    throw new ActuaryError('model_corrupt', `${cardFile} is not JSON: ${messageOf(error)}. ${TRAIN_HINT}`, {
      cause: error,
    });
  }
  const checked = checkCard(card, cardFile);
  const sha256 = createHash('sha256').update(onnx).digest('hex');
  if (sha256 !== checked.sha256)
    throw new ActuaryError(
      'model_corrupt',
      `${onnxFile} is not the file that its card describes: SHA-256 ${sha256}, card ${checked.sha256}. ${TRAIN_HINT}`,
    );
  return { card: checked, onnx };
}

/**
 * Checks that a card is complete and that its model fits this engine's features.
 * @throws ActuaryError model_corrupt or model_mismatch
 */
export function checkCard(card: unknown, name: string): ModelCard {
  if (!Value.Check(Card, card)) {
    const error = Value.Errors(Card, card).First();
    throw new ActuaryError('model_corrupt', `${name}: ${error?.path ?? ''} ${error?.message ?? ''}. ${TRAIN_HINT}`);
  }
  const unfit = (what: string): ActuaryError =>
    new ActuaryError('model_mismatch', `${name}: ${what}. Train a model for this version with \`npm run train\`.`);
  card.features.forEach((feature, index) => {
    const ours = FEATURES[index];
    if (ours === undefined || ours.set === 'internal' || ours.name !== feature)
      throw unfit(`feature ${index} is ${feature}, this engine has ${ours?.name ?? 'none'} there`);
  });
  if (card.horizons_days.join() !== HORIZON_DAYS.join())
    throw unfit(`horizons of ${card.horizons_days.join(', ')} days, this engine has ${HORIZON_DAYS.join(', ')}`);
  if (card.failure_types.join() !== FAILURE_TYPES.join())
    throw unfit(`failure types ${card.failure_types.join(', ')}, this engine has ${FAILURE_TYPES.join(', ')}`);
  return card;
}

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new ActuaryError(
      'model_missing',
      `${file}: ${messageOf(error)}. Set model.directory to a directory with model.onnx and card.json, make one with \`npm run train\`, or set it to null to score by rule of thumb.`,
      { cause: error },
    );
  }
}
