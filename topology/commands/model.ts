import { Command } from 'commander';
import { resolveModelDirectory } from '../../models/load.js';
import { readModel } from '../../models/card.js';
import { configurable, configurationOf, writeLine, type CommandContext, type ConfigurationOptions } from './context.js';

export function modelCommand(context: CommandContext): Command {
  const command = new Command('model').description('the failure model');
  command.addCommand(
    configurable(new Command('show'))
      .description('show the card of the model in force: version, data, metrics; fails if the model is not usable')
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
        const { card } = await readModel(resolveModelDirectory(directory));
        writeLine(context.stdout, JSON.stringify(card, null, 2));
      }),
  );
  return command;
}
