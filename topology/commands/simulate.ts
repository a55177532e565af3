import { Command } from 'commander';
import type { Writable } from 'node:stream';
import type { Config } from '../../schema/config.js';
import { isoMs } from '../../schema/dates.js';
import { DAY_MS } from '../../schema/clock.js';
import { ActuaryError } from '../../schema/errors.js';
import { Fleet } from '../../simulator/fleet.js';
import { messagesOf, SIMULATED_FORMATS, type SimulatedFormat } from '../../simulator/messages.js';
import { REFERENCE, WORLD_NAMES, worldNamed } from '../../simulator/worlds.js';
import { writeTelemetry } from '../../simulator/write-telemetry.js';
import { connectionOf, openSink } from '../kafka/connection.js';
import { probeCluster } from '../kafka/probe.js';
import { durationMs } from '../replay/as-of.js';
import { endsAtSignal } from '../shutdown.js';
import {
  configurable,
  configurationOf,
  tellerOf,
  writeLine,
  type CommandContext,
  type ConfigurationOptions,
} from './context.js';
import { writeFleet } from './fleet-output.js';
import { numberOf } from './numbers.js';

/** Where telemetry begins unless told otherwise: fixed, so that a seed always gives the same bytes. */
const DEFAULT_START = '2026-01-01T00:00:00Z';
/** A fleet is held in memory, and all of its failures are drawn before the first reading. */
const MAX_GPUS = 100_000;
const MAX_DAYS = 3_660;
const PROGRESS_EVERY_MS = 5_000;
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

interface SimulateOptions extends ConfigurationOptions {
  gpus: string;
  hosts?: string;
  days: string;
  cadence: string;
  seed: string;
  format: string;
  output: string;
  hazardScale: string;
  world: string;
  start: string;
}

export function simulateCommand(context: CommandContext): Command {
  return configurable(new Command('simulate'))
    .requiredOption('--gpus <n>', `number of GPUs, up to ${MAX_GPUS}`)
    .option('--hosts <n>', 'hosts to spread them over (default: 8 GPUs each)')
    .requiredOption('--days <d>', `days of telemetry, up to ${MAX_DAYS}; failures are told for 90 days more`)
    .option('--cadence <duration>', 'time between scrapes, such as 30s or 5m', '30s')
    .option('--seed <s>', 'the same seed gives the same fleet', '1')
    .option('--format <format>', SIMULATED_FORMATS.join(', '), 'wide-json')
    .option(
      '--start <time>',
      'first scrape; with --output kafka by default so that the telemetry ends now',
      DEFAULT_START,
    )
    .option('--hazard-scale <k>', 'multiplies failure rates, for training; signals stay as they are', '1')
    .option('--world <name>', `the world the fleet lives in: ${WORLD_NAMES.join(', ')}`, REFERENCE.name)
    .requiredOption(
      '--output <where>',
      'a directory for telemetry.jsonl, assets.jsonl and labels.jsonl; - for telemetry on standard output; kafka for the topic of the first source of that format',
    )
    .addHelpText('after', '\nThe files come to their places when all of them are whole; Ctrl-C leaves none.\n')
    .action((options: SimulateOptions, command: Command) => simulate(context, options, command));
}

async function simulate(context: CommandContext, options: SimulateOptions, command: Command): Promise<void> {
  const config = configurationOf(context, options);
  const format = SIMULATED_FORMATS.find((known) => known === options.format);
  if (format === undefined)
    throw new ActuaryError('usage', `--format ${options.format}: expected one of ${SIMULATED_FORMATS.join(', ')}`);
  const cadenceMs = durationMs(options.cadence);
  if (Number.isNaN(cadenceMs))
    throw new ActuaryError('usage', `--cadence ${options.cadence}: expected a duration like 30s or 5m`);
  const days = numberOf('--days', options.days, { most: MAX_DAYS });
  const given = command.getOptionValueSource('start') !== 'default';
  const startMs = options.output === 'kafka' && !given ? Date.now() - days * DAY_MS : isoMs(options.start);
  if (Number.isNaN(startMs))
    throw new ActuaryError('usage', `--start ${options.start}: expected a time like ${DEFAULT_START}`);
  const gpus = numberOf('--gpus', options.gpus, { whole: true, least: 1, most: MAX_GPUS });
  const fleet = new Fleet({
    world: worldNamed(options.world),
    gpus,
    hosts:
      options.hosts === undefined
        ? undefined
        : numberOf('--hosts', options.hosts, { whole: true, least: 1, most: gpus }),
    seed: numberOf('--seed', options.seed, { whole: true, least: 0 }),
    startMs,
    days,
    cadenceMs,
    hazardScale: numberOf('--hazard-scale', options.hazardScale, {}),
  });

  let next = performance.now() + PROGRESS_EVERY_MS;
  const progress = (timeMs: number, samples: number): void => {
    if (performance.now() < next) return;
    next = performance.now() + PROGRESS_EVERY_MS;
    const share = Math.floor((100 * (timeMs - startMs)) / (fleet.endMs - startMs));
    writeLine(context.stderr, `simulate: ${share} %, ${samples} samples`);
  };
  if (options.output === '-') await writeTelemetry(fleet, format, context.stdout as Writable, progress);
  else if (options.output === 'kafka') await writeToKafka(config, fleet, format, progress, context);
  else {
    const release = endsAtSignal(() =>
      writeLine(context.stderr, `simulate: interrupted: nothing is kept in ${options.output}`),
    );
    const samples = await writeFleet(fleet, format, options.output, progress).finally(release);
    writeLine(
      context.stderr,
      `simulate: ${samples} samples, ${fleet.gpus.length} GPUs, ${fleet.labels().length} failures in ${options.output}`,
    );
  }
}

async function writeToKafka(
  config: Config,
  fleet: Fleet,
  format: SimulatedFormat,
  progress: (timeMs: number, samples: number) => void,
  context: CommandContext,
): Promise<void> {
  const source = config.sources.find((one) => one.format === format);
  if (source === undefined) throw new ActuaryError('usage', `no source of format ${format} is configured to write to`);
  const connection = connectionOf(config);
  await probeCluster(connection, tellerOf(context));
  const sink = await openSink(connection, 'simulate', MAX_MESSAGE_BYTES, (message) =>
    writeLine(context.stderr, message),
  );
  try {
    let samples = 0;
    for (const scrape of fleet.scrapes()) {
      const messages = [...messagesOf(scrape, format)];
      // The event time as record timestamp: history is judged against the time it claims to be of.
      await sink.write(
        messages.map(({ key, value, timeMs }) => ({
          topic: source.topics[0],
          partition: null,
          key,
          value: Buffer.from(value),
          timestampMs: timeMs,
        })),
      );
      samples += messages.reduce((sum, message) => sum + message.samples, 0);
      progress(scrape.timeMs, samples);
    }
    await sink.flush();
    writeLine(context.stderr, `simulate: ${samples} samples in ${source.topics[0]}`);
  } finally {
    await sink.close();
  }
}
