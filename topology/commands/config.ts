import { Command } from 'commander';
import { maskSecrets } from '../configuration.js';
import { annotatedYaml } from '../configuration-text.js';
import { configurable, configurationOf, writeLine, type CommandContext, type ConfigurationOptions } from './context.js';

export function configCommand(context: CommandContext): Command {
  const command = new Command('config');
  command.addCommand(
    configurable(new Command('check'))
      .description('say whether the configuration is valid; exits with 2 if it is not')
      .option('--json', 'print {valid: true} as JSON')
      .action((options: ConfigurationOptions & { json?: boolean }) => {
        configurationOf(context, options);
        writeLine(context.stdout, options.json ? '{"valid":true}' : 'configuration is valid');
      }),
  );
  command.addCommand(
    configurable(new Command('print'))
      .description('print the configuration in force, defaults included, with the meaning of each key; secrets masked')
      .option('--json', 'as JSON')
      .action((options: ConfigurationOptions & { json?: boolean }) => {
        const config = maskSecrets(configurationOf(context, options));
        writeLine(context.stdout, options.json ? JSON.stringify(config, null, 2) : annotatedYaml(config));
      }),
  );
  return command;
}
