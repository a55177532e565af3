import { loadScorer } from '../../models/load.js';
import type { Scorer } from '../../models/scorer.js';
import type { Config } from '../../schema/config.js';
import type { Log } from '../roles/role.js';
import { MlflowFollower } from './mlflow-follower.js';
import { ModelWatch } from './model-watch.js';
import { checkFits, ModelsInForce, type ModelInstruments } from './models.js';

/** Where a process has its models from: the directory, or MLflow where it is configured. */
export interface ModelSupply {
  readonly models: ModelsInForce;
  /** From now on others may take over. */
  follow(): void;
  /** No other one comes any more; the one in force is left as it is. */
  close(): Promise<void>;
}

/** @throws ActuaryError as loadScorer, and model_mismatch */
export async function openModels(config: Config, instruments: ModelInstruments, log: Log): Promise<ModelSupply> {
  const { directory, watchMs, mlflow } = config.model;
  const { featureSet } = config.windows;
  const follower = mlflow.url === null ? null : new MlflowFollower({ settings: mlflow, featureSet, instruments, log });
  const registered = (await follower?.first()) ?? null;
  if (follower !== null && registered === null)
    log.warn({}, 'MLflow has no usable model, nor has the cache: that of model.directory answers until it has');
  const scorer: Scorer = registered ?? (await loadScorer(directory));
  checkFits(scorer, featureSet);
  const { modelVersion, runId, digest } = scorer;
  instruments.modelInForce(modelVersion, runId);
  log.info({ model: modelVersion, run_id: runId, digest }, 'model loaded');
  const models = new ModelsInForce(scorer, (from, to) => {
    instruments.modelSwitched();
    instruments.modelInForce(to.modelVersion, to.runId);
    log.info({ from: from.modelVersion, to: to.modelVersion, run_id: to.runId }, 'another model answers');
  });
  if (follower !== null) return { models, follow: () => follower.start(models), close: () => follower.close() };
  if (directory === null) return { models, follow: () => undefined, close: () => Promise.resolve() };
  const watch = new ModelWatch({ directory, everyMs: watchMs, featureSet, models, instruments, log });
  return { models, follow: () => watch.start(), close: () => watch.close() };
}
