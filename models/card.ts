import { join } from 'node:path';
import { Type, type Static } from '@sinclair/typebox';
import { ActuaryError } from '../schema/errors.js';
import { FEATURES } from '../schema/features.js';
import { FAILURE_TYPES } from '../schema/records.js';
import { checked, parseChecked } from './checked-json.js';
import { parseGolden, type Golden } from './golden.js';
import {
  MANIFEST_FILE,
  parseManifest,
  readIfThere,
  readModelFile,
  readSealed,
  sha256,
  type Manifest,
} from './manifest.js';
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
  /** Null only in a directory that has no manifest. */
  readonly golden: Golden | null;
  readonly manifest: Manifest | null;
  /** SHA-256 of the manifest, or of the card where there is none: names these very files. */
  readonly digest: string;
}

/**
 * Reads and checks a model directory. One without a manifest is taken at its card's word: the graph is checked, the
 * rest is not.
 * @throws ActuaryError model_missing, model_corrupt or model_mismatch
 */
export async function readModel(directory: string): Promise<ModelFiles> {
  const manifestText = (await readIfThere(join(directory, MANIFEST_FILE)))?.toString('utf8') ?? null;
  const manifest = manifestText === null ? null : parseManifest(manifestText, join(directory, MANIFEST_FILE));
  const sealed = manifest === null ? null : await readSealed(directory, manifest);
  const read = async (name: string): Promise<Buffer> => sealed?.get(name) ?? readModelFile(join(directory, name));
  const cardFile = join(directory, 'card.json');
  const cardText = (await read('card.json')).toString('utf8');
  const onnx = await read('model.onnx');
  const goldenBytes = sealed?.get('golden.json') ?? (await readIfThere(join(directory, 'golden.json')));
  const card = checkCard(parseChecked(Type.Unknown(), cardText, cardFile, TRAIN_HINT), cardFile);
  const found = sha256(onnx);
  if (found !== card.sha256)
    throw new ActuaryError(
      'model_corrupt',
      `${join(directory, 'model.onnx')} is not the file that its card describes: SHA-256 ${found}, card ${card.sha256}. ${TRAIN_HINT}`,
    );
  if (manifest !== null && manifest.model_version !== card.model_version)
    throw new ActuaryError(
      'model_corrupt',
      `${directory}: the manifest is that of ${manifest.model_version}, the card that of ${card.model_version}`,
    );
  const golden =
    goldenBytes === null
      ? null
      : parseGolden(goldenBytes.toString('utf8'), card.features.length, join(directory, 'golden.json'));
  return { card, onnx, golden, manifest, digest: sha256(manifestText ?? cardText) };
}

/**
 * Checks that a card is complete and that its model fits this engine's features.
 * @throws ActuaryError model_corrupt or model_mismatch
 */
export function checkCard(value: unknown, name: string): ModelCard {
  const card = checked(Card, value, name, TRAIN_HINT);
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
