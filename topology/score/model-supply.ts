import { loadScorer } from '../../models/load.js';
import type { Scorer } from '../../models/scorer.js';
import type { Clock } from '../../schema/clock.js';
import type { Config } from '../../schema/config.js';
import { ModelAlerts, type AlertWriting } from '../alerts/model-alerts.js';
import type { Log } from '../roles/role.js';
import { MlflowFollower } from './mlflow-follower.js';
import { ModelWatch } from './model-watch.js';
import { checkFits, ModelsInForce, warnIfDear, type ModelInstruments, type ModelVerdicts } from './models.js';

/** Where a process has its models from: the directory, or MLflow where it is configured. */
export interface ModelSupply {
  readonly models: ModelsInForce;
  /** From now on others may take over, and what becomes of them is told in gpu.alerts. */
  follow(alerts: AlertWriting): void;
  /** No other one comes any more; the one in force is left as it is. */
  close(): Promise<void>;
}

/** @throws ActuaryError as loadScorer, and model_mismatch */
export async function openModels(
  config: Config,
  instruments: ModelInstruments,
  clock: Clock,
  log: Log,
): Promise<ModelSupply> {
  const { directory, watchMs, mlflow } = config.model;
  const { featureSet } = config.windows;
  const alerts = new ModelAlerts(
    mlflow.url === null ? String(directory) : `${mlflow.name}@${mlflow.alias}`,
    clock,
    log,
  );
  const verdicts: ModelVerdicts = {
    refused: (code, what) => {
      instruments.modelRefused(code);
      alerts.refused(code, what);
    },
    usable: (version) => alerts.usable(version),
  };
  const follower = mlflow.url === null ? null : new MlflowFollower({ settings: mlflow, featureSet, verdicts, log });
  const registered = (await follower?.first()) ?? null;
  if (follower !== null && registered === null)
    log.warn({}, 'MLflow has no usable model, nor has the cache: that of model.directory answers until it has');
  const scorer: Scorer = registered ?? (await loadScorer(directory));
  checkFits(scorer, featureSet);
  const { modelVersion, runId, digest } = scorer;
  warnIfDear(scorer, log);
  instruments.modelInForce(modelVersion, runId);
  log.info({ model: modelVersion, run_id: runId, digest }, 'model loaded');
  const models = new ModelsInForce(scorer, (from, to) => {
    instruments.modelSwitched();
    instruments.modelInForce(to.modelVersion, to.runId);
    log.info({ from: from.modelVersion, to: to.modelVersion, run_id: to.runId }, 'another model answers');
  });
  if (follower === null && directory === null)
    return { models, follow: () => undefined, close: () => Promise.resolve() };
  const source =
    follower ?? new ModelWatch({ directory: directory!, everyMs: watchMs, featureSet, models, verdicts, log });
  return {
    models,
    follow: (writing) => {
      alerts.start(writing);
      source.start(models);
    },
    close: async () => {
      await source.close();
      await alerts.close();
    },
  };
}
