import { Command } from 'commander';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ActuaryError } from '../../schema/errors.js';
import { writeFleetFiles } from '../training-set/fleet-files.js';
import { PLANS, SPLITS } from '../training-set/plan.js';
import { configurable, writeLine, type CommandContext, type ConfigurationOptions } from './context.js';

interface TrainingSetOptions extends ConfigurationOptions {
  output: string;
  plan: string;
  splits: string;
  part: string;
}

export function trainingSetCommand(context: CommandContext): Command {
  return configurable(new Command('training-set'))
    .requiredOption('--output <directory>', 'a directory a fleet is made in it; whole ones are kept')
    .option('--plan <name>', `which fleets: ${Object.keys(PLANS).join(' or ')}`, 'default')
    .option('--splits <names>', `any of ${SPLITS.join(',')}`, SPLITS.join(','))
    .option('--part <i/n>', 'every nth fleet from the ith on: n processes share the work', '1/1')
    .addHelpText('after', '\nWhat the files hold: docs/training-set.md\n')
    .action((options: TrainingSetOptions) => trainingSet(context, options));
}

async function trainingSet(context: CommandContext, options: TrainingSetOptions): Promise<void> {
  const plan = PLANS[options.plan];
  if (plan === undefined)
    throw new ActuaryError('usage', `--plan ${options.plan}: expected ${Object.keys(PLANS).join(' or ')}`);
  const splits = options.splits.split(',');
  const unknown = splits.find((name) => !(SPLITS as readonly string[]).includes(name));
  if (unknown !== undefined)
    throw new ActuaryError('usage', `--splits ${unknown}: expected any of ${SPLITS.join(',')}`);
  const [part, parts] = parsePart(options.part);
  const fleets = plan.filter(({ split }) => splits.includes(split)).filter((_, index) => index % parts === part - 1);
  const began = performance.now();
  let samples = 0;
  for (const fleet of fleets) {
    const directory = join(options.output, fleet.name);
    if (existsSync(join(directory, 'fleet.json'))) {
      writeLine(context.stderr, `${fleet.name}: kept`);
      continue;
    }
    const from = performance.now();
    const made = await writeFleetFiles(fleet, directory);
    samples += made.samples;
    writeLine(
      context.stderr,
      `${fleet.name}: world ${fleet.world.name}, ${fleet.gpus} GPUs, ${made.enrolled} with telemetry, ${made.failing} of ` +
        `them fail; ${made.rows} rows from ${made.samples} samples in ${((performance.now() - from) / 1000).toFixed(1)} s`,
    );
  }
  const seconds = (performance.now() - began) / 1000;
  writeLine(context.stderr, `training-set: ${fleets.length} fleets, ${samples} samples, ${seconds.toFixed(1)} s`);
}

function parsePart(text: string): [number, number] {
  const match = /^([1-9]\d*)\/([1-9]\d*)$/.exec(text);
  const [part, parts] = match === null ? [NaN, NaN] : [Number(match[1]), Number(match[2])];
  if (!(part <= parts)) throw new ActuaryError('usage', `--part ${text}: expected like 1/2`);
  return [part, parts];
}
