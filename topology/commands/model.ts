import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Command } from 'commander';
import { readModel, type ModelFiles } from '../../models/card.js';
import { resolveModelDirectory } from '../../models/load.js';
import { MANIFEST_FILE, writeManifest } from '../../models/manifest.js';
import { OnnxScorer } from '../../models/onnx-scorer.js';
import { ModelStore, verifySealed, type StoredModel } from '../../models/store.js';
import { systemClock } from '../../schema/clock.js';
import { ActuaryError } from '../../schema/errors.js';
import { configurable, configurationOf, writeLine, type CommandContext, type ConfigurationOptions } from './context.js';

/** What the card holds for people beside what the engine reads; another model's card may leave it out. */
interface Described {
  readonly limits?: readonly string[];
  readonly metrics?: { readonly model?: Readonly<Record<string, { readonly auc?: number; readonly brier?: number }>> };
}

type Options = ConfigurationOptions & { json?: boolean };

export function modelCommand(context: CommandContext): Command {
  const command = new Command('model').description('failure models: look at them, check them, put them in force');
  const print = (line: string): void => writeLine(context.stdout, line);
  /** Of the configured directory, which has to be one. */
  const configured = (options: Options): string => {
    const { directory } = configurationOf(context, options).model;
    if (directory === null) throw new ActuaryError('usage', 'no model directory is configured: set model.directory');
    return resolveModelDirectory(directory);
  };
  const told = (files: ModelFiles, what: string, options: Options): void =>
    print(options.json ? JSON.stringify(identityOf(files)) : `${what} ${lineOf(files)}`);

  command.addCommand(
    configurable(new Command('list'))
      .description('the model in force, and those of the archive beside it')
      .option('--json', 'print a JSON object a line')
      .action(async (options: Options) => {
        for (const model of await new ModelStore(configured(options)).list())
          print(options.json ? JSON.stringify(listed(model)) : lineOfStored(model));
      }),
  );
  command.addCommand(
    configurable(new Command('show'))
      .description('show the model in force: version, inputs, metrics; fails if the model is not usable')
      .option('--json', 'print the whole card as JSON')
      .action(async (options: Options) => {
        const { directory } = configurationOf(context, options).model;
        if (directory === null) {
          print(options.json ? '{"model_version":"heuristic"}' : 'no model is configured: the heuristic answers');
          return;
        }
        const path = resolveModelDirectory(directory);
        // Loaded as the engine loads it: what does not score is not usable, whatever its card says.
        const scorer = await OnnxScorer.load(path);
        await scorer.close();
        const text = await readFile(join(path, 'card.json'), 'utf8');
        print(options.json ? text.trimEnd() : summaryOf(scorer, JSON.parse(text) as Described, path));
      }),
  );
  command.addCommand(
    configurable(new Command('verify'))
      .description('check a model as the engine does: manifest, checksums, features, golden batch')
      .argument('[directory]', 'of the model; that of model.directory if left out')
      .option('--json', 'print version, run, digest and load_pause_ms as JSON')
      .action(async (directory: string | undefined, options: Options) => {
        const path = directory ?? configured(options);
        const files = await verifySealed(path);
        const pauseMs = await longestPauseMs(() => verifySealed(path));
        if (options.json) print(JSON.stringify({ ...identityOf(files), load_pause_ms: pauseMs }));
        else print(`usable: ${lineOf(files)}; an engine that loads it pauses for ${pauseMs} ms at the longest`);
      }),
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
        await seal(directory, options.runId ?? null);
        told(await verifySealed(directory), 'sealed:', options);
      }),
  );
  command.addCommand(
    configurable(new Command('promote'))
      .description('check a model and put it in force; running engines follow, the one before goes to the archive')
      .argument('<model>', 'its directory, or its version or name in the archive')
      .option('--json', 'print version, run and digest as JSON')
      .action(async (model: string, options: Options) => {
        const store = new ModelStore(configured(options));
        told(await store.promote(model, systemClock.now()), 'in force:', options);
      }),
  );
  command.addCommand(
    configurable(new Command('rollback'))
      .description('put the model in force that was before the last promotion')
      .option('--json', 'print version, run and digest as JSON')
      .action(async (options: Options) => {
        told(await new ModelStore(configured(options)).rollback(systemClock.now()), 'in force again:', options);
      }),
  );
  return command;
}

/** Longest that the event loop had no turn meanwhile; in a process that has loaded a model before, as an engine has. */
async function longestPauseMs(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await work();
  delay.disable();
  return Math.round(delay.max / 1e6);
}

/** An old manifest is what the files are not to be held against any more. */
async function seal(directory: string, runId: string | null): Promise<void> {
  await rm(join(directory, MANIFEST_FILE), { force: true });
  const { card } = await readModel(directory);
  await writeManifest(directory, card.model_version, runId);
}

function identityOf({ card, manifest, digest }: ModelFiles): Record<string, unknown> {
  return { model_version: card.model_version, run_id: manifest?.run_id ?? null, digest };
}

function listed({ directory, files, problem }: StoredModel): Record<string, unknown> {
  return { directory, ...(files === null ? { problem } : { ...identityOf(files), sealed: files.manifest !== null }) };
}

function lineOf({ card, manifest, digest }: ModelFiles): string {
  return `${card.model_version}, run ${manifest?.run_id ?? 'not known'}, ${manifest === null ? 'no manifest' : `digest ${digest.slice(0, 12)}`}`;
}

function lineOfStored({ directory, files, problem }: StoredModel): string {
  return `${directory}: ${files === null ? `not usable: ${problem}` : lineOf(files)}`;
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
