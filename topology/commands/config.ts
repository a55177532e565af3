import { Command } from 'commander';
import { stringify } from 'yaml';
import { maskSecrets } from '../configuration.js';
import { configurable, configurationOf, writeLine, type CommandContext, type ConfigurationOptions } from './context.js';

export function configCommand(context: CommandContext): Command {
  const command = new Command('config').description('check or print the configuration in force');
  command.addCommand(
    configurable(new Command('check'))
      .description('say whether the configuration is valid; exits with 2 if it is not')
      .action((options: ConfigurationOptions) => {
        configurationOf(context, options);
        writeLine(context.stdout, 'configuration is valid');
      }),
  );
  command.addCommand(
    configurable(new Command('print'))
      .description('print the configuration in force, defaults included, secrets masked')
      .option('--json', 'as JSON')
      .action((options: ConfigurationOptions & { json?: boolean }) => {
        const config = maskSecrets(configurationOf(context, options));
        writeLine(context.stdout, options.json ? JSON.stringify(config, null, 2) : stringify(config).trimEnd());
      }),
  );
  return command;
}
