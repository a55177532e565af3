import { Command } from 'commander';
import { decide, PROFILES } from '../../operators/decide.js';
import { ActuaryError } from '../../schema/errors.js';
import { configurable, configurationOf, writeLine, type CommandContext, type ConfigurationOptions } from './context.js';
import { numberOf } from './numbers.js';

interface DecideOptions extends ConfigurationOptions {
  model: string;
  health: string;
  p30: string;
  profile?: string;
  json?: boolean;
}

const usd = new Intl.NumberFormat('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export function decideCommand(context: CommandContext): Command {
  return configurable(new Command('decide'))
    .requiredOption('--model <name>', 'GPU model, such as H100')
    .requiredOption('--health <score>', 'health score, 0-100')
    .requiredOption('--p30 <probability>', 'probability of failure within 30 days, 0-1')
    .option('--profile <name>', `valuation profile: ${Object.keys(PROFILES).join(', ')}`)
    .option('--json', 'print the decision as JSON')
    .action((options: DecideOptions) => {
      const config = configurationOf(context, options);
      const name = options.profile ?? config.decisions.profile;
      const profile = Object.entries(PROFILES).find(([key]) => key === name)?.[1];
      if (profile === undefined)
        throw new ActuaryError('usage', `--profile ${name}: expected one of ${Object.keys(PROFILES).join(', ')}`);
      const health = numberOf('--health', options.health, { least: 0, most: 100 });
      const prob30d = numberOf('--p30', options.p30, { least: 0, most: 1 });
      const outcome = decide(profile, { model: options.model, health, prob30d });
      if (outcome.kind === 'undecidable') throw new ActuaryError(outcome.code, outcome.detail);
      const { fields } = outcome;
      if (options.json) {
        writeLine(context.stdout, JSON.stringify(fields));
        return;
      }
      const rows: [string, number][] = [
        ['keep', fields.npv_keep],
        ['sell', fields.npv_sell],
        ['repurpose', fields.npv_repurpose],
        ['decommission', fields.salvage_value],
      ];
      for (const [option, value] of rows)
        writeLine(
          context.stdout,
          `${option.padEnd(14)}${usd.format(value).padStart(12)} USD${option === fields.decision ? '  <- recommended' : ''}`,
        );
      writeLine(
        context.stdout,
        `\n${fields.rationale}\nconfidence ${fields.confidence.toFixed(4)}, profile ${fields.profile}`,
      );
    });
}
