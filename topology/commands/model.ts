import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { resolveModelDirectory } from '../../models/load.js';
import { OnnxScorer } from '../../models/onnx-scorer.js';
import { configurable, configurationOf, writeLine, type CommandContext, type ConfigurationOptions } from './context.js';

/** What the card holds for people beside what the engine reads; another model's card may leave it out. */
interface Described {
  readonly limits?: readonly string[];
  readonly metrics?: { readonly model?: Readonly<Record<string, { readonly auc?: number; readonly brier?: number }>> };
}

export function modelCommand(context: CommandContext): Command {
  const command = new Command('model').description('the failure model');
  command.addCommand(
    configurable(new Command('show'))
      .description('show the model in force: version, inputs, metrics; fails if the model is not usable')
      .option('--json', 'print the whole card as JSON')
      .action(async (options: ConfigurationOptions & { json?: boolean }) => {
        const { directory } = configurationOf(context, options).model;
        if (directory === null) {
          writeLine(
            context.stdout,
            options.json ? '{"model_version":"heuristic"}' : 'no model is configured: the heuristic answers',
          );
          return;
        }
        const path = resolveModelDirectory(directory);
        // Loaded as the engine loads it: what does not score is not usable, whatever its card says.
        const scorer = await OnnxScorer.load(path);
        await scorer.close();
        const text = await readFile(join(path, 'card.json'), 'utf8');
        writeLine(
          context.stdout,
          options.json ? text.trimEnd() : summaryOf(scorer, JSON.parse(text) as Described, path),
        );
      }),
  );
  return command;
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
