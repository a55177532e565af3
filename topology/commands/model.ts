import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Command } from 'commander';
import { readModel } from '../../models/card.js';
import { EXPLAINED_WITHIN_MS } from '../../models/explain/cost.js';
import { MANIFEST_FILE, readIfThere, writeManifest } from '../../models/manifest.js';
import { OnnxScorer } from '../../models/onnx-scorer.js';
import { verifySealed, type VerifiedModel } from '../../models/store.js';
import { configurable, configurationOf, writeLine, type CommandContext, type ConfigurationOptions } from './context.js';
import { identityOf, lineOf, modelPlaceOf, type ModelPlace } from './model-place.js';

/** What the card holds for people beside what the engine reads; another model's card may leave it out. */
interface Described {
  readonly limits?: readonly string[];
  readonly metrics?: { readonly model?: Readonly<Record<string, { readonly auc?: number; readonly brier?: number }>> };
}

type Options = ConfigurationOptions & { json?: boolean };

/** Longest pause of an engine that loads a model, ms, that is not worth a word: predictions wait for as long. */
const LOADED_WITHIN_MS = 100;

export function modelCommand(context: CommandContext): Command {
  const command = new Command('model').addHelpText(
    'after',
    '\nWith model.mlflow.url set these are the versions of model.mlflow.name in that registry.\n',
  );
  const print = (line: string): void => writeLine(context.stdout, line);
  const placeOf = (options: Options): ModelPlace => modelPlaceOf(configurationOf(context, options));
  const told = (model: VerifiedModel, what: string, options: Options): void => {
    print(options.json ? JSON.stringify(identityOf(model, model.runId)) : `${what} ${lineOf(model, model.runId)}`);
    warnOf(model.explanationMs, null);
  };
  const warnOf = (explanationMs: number | null, pauseMs: number | null): void => {
    if (explanationMs !== null && explanationMs > EXPLAINED_WITHIN_MS)
      writeLine(
        context.stderr,
        `warning: naming what moves one prediction takes ${ms(explanationMs)}, and the champion may take ${EXPLAINED_WITHIN_MS} ms: an engine spends as much on each record it emits`,
      );
    if (pauseMs !== null && pauseMs > LOADED_WITHIN_MS)
      writeLine(
        context.stderr,
        `warning: an engine that loads it pauses for ${pauseMs} ms, and predictions wait for as long`,
      );
  };

  command.addCommand(
    configurable(new Command('list'))
      .description('the model in force, and those of the archive beside it')
      .option('--json', 'print a JSON object a line')
      .action(async (options: Options) => {
        for (const { line, json } of await placeOf(options).list()) print(options.json ? JSON.stringify(json) : line);
      }),
  );
  command.addCommand(
    configurable(new Command('show'))
      .description(
        'show the model in force: version, inputs, metrics; fails if the engine could not load it, sealed or not',
      )
      .option('--json', 'print the whole card as JSON')
      .action(async (options: Options) => {
        const { directory, mlflow } = configurationOf(context, options).model;
        if (directory === null && mlflow.url === null) {
          print(options.json ? '{"model_version":"heuristic"}' : 'no model is configured: the heuristic answers');
          return;
        }
        const from = mlflow.url === null ? undefined : `${mlflow.name}@${mlflow.alias}`;
        await placeOf(options).withFiles(undefined, async (path) => {
          // Loaded as the engine loads it: what does not score is not usable, whatever its card says.
          const scorer = await OnnxScorer.load(path);
          await scorer.close();
          const text = await readFile(join(path, 'card.json'), 'utf8');
          print(options.json ? text.trimEnd() : summaryOf(scorer, JSON.parse(text) as Described, from ?? path));
        });
      }),
  );
  command.addCommand(
    configurable(new Command('verify'))
      .description(
        'check a model as promote does: that it is sealed, and as the engine does: checksums, features, golden batch',
      )
      .argument('[model]', 'its directory, or its version in the registry; the one in force if left out')
      .option('--json', 'print version, run, digest, load_pause_ms and explain_ms as JSON')
      .action((model: string | undefined, options: Options) =>
        placeOf(options).withFiles(model, async (path) => {
          const verified = await verifySealed(path);
          const pauseMs = await longestPauseMs(() => verifySealed(path));
          const { explanationMs } = verified;
          if (options.json)
            print(JSON.stringify({ ...identityOf(verified), load_pause_ms: pauseMs, explain_ms: explanationMs }));
          else
            print(
              `usable: ${lineOf(verified)}; an engine that loads it pauses for ${pauseMs} ms at the longest, ` +
                (explanationMs === null
                  ? 'it names no factors'
                  : `naming the factors of a row takes ${ms(explanationMs)}`),
            );
          warnOf(explanationMs, pauseMs);
        }),
      ),
  );
  command.addCommand(
    new Command('seal')
      .description(
        'write the manifest of a model of your own, after it was checked: its files belong together from then on',
      )
      .argument('<directory>', 'with card.json, model.onnx, golden.json')
      .option('--run-id <id>', 'training run that made it')
      .option('--json', 'print version, run and digest as JSON')
      .action(async (directory: string, options: Options & { runId?: string }) => {
        told(await seal(directory, options.runId ?? null), 'sealed:', options);
      }),
  );
  command.addCommand(
    configurable(new Command('promote'))
      .description('check a model and put it in force; running engines follow, the one before can be brought back')
      .argument('<model>', 'its directory, its version or name in the archive, or its version in the registry')
      .option('--json', 'print version, run and digest as JSON')
      .action(async (model: string, options: Options) => {
        told(await placeOf(options).promote(model), 'in force:', options);
      }),
  );
  command.addCommand(
    configurable(new Command('rollback'))
      .description('put the model in force that was before the last promotion')
      .option('--json', 'print version, run and digest as JSON')
      .action(async (options: Options) => {
        told(await placeOf(options).rollback(), 'in force again:', options);
      }),
  );
  return command;
}

const ms = (value: number): string => `${value.toPrecision(2)} ms`;

/** Longest that the event loop had no turn meanwhile; in a process that has loaded a model before, as an engine has. */
async function longestPauseMs(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await work();
  delay.disable();
  return Math.round(delay.max / 1e6);
}

/**
 * The files are not to be held against an old manifest any more; it comes back where they are no model.
 * @throws ActuaryError as verifySealed
 */
async function seal(directory: string, runId: string | null): Promise<VerifiedModel> {
  const file = join(directory, MANIFEST_FILE);
  const before = await readIfThere(file);
  await rm(file, { force: true });
  try {
    const { card } = await readModel(directory);
    await writeManifest(directory, card.model_version, runId);
    return await verifySealed(directory);
  } catch (error) {
    if (before === null) await rm(file, { force: true });
    else await writeFile(file, before);
    throw error;
  }
}

function summaryOf({ card }: OnnxScorer, described: Described, path: string): string {
  const lines = [
    `model     ${card.model_version}`,
    `from      ${path}`,
    `inputs    ${card.features.length} features of set ${card.feature_set}`,
    `types     ${card.failure_types.join(', ')}`,
  ];
  for (const [horizon, { auc, brier }] of Object.entries(described.metrics?.model ?? {}))
    if (auc !== undefined && brier !== undefined)
      lines.push(
        `${horizon.padEnd(10)}AUC ${auc.toFixed(3)}, Brier score ${brier.toFixed(5)}, on GPUs it has not seen`,
      );
  for (const limit of described.limits ?? []) lines.push(`limit     ${limit}`);
  lines.push('--json prints the whole card: data, seeds, metrics, calibration.');
  return lines.join('\n');
}
