import { Command, InvalidArgumentError, Option } from 'commander';
import type { ClusterOptions } from './cluster.js';

/** What every benchmark takes. */
export interface CommonOptions {
  readonly json?: boolean;
  /** Directory that the result is kept in, for the plots. */
  readonly record?: string;
}

/** What every benchmark on a cluster takes. */
export interface RunOptions extends CommonOptions, ClusterOptions {
  readonly gpus: number;
  readonly partitions: number;
  /** Of the engine: key=value, as on its command line. */
  readonly set: readonly string[];
}

/** Of what is measured again and again on one broker. */
export interface RepeatOptions {
  readonly repeats: number;
  /** Runs before the first repeat, which do not count; absent: as many as the cluster needs. */
  readonly warmUpRepeats?: number;
}

export interface ThroughputOptions extends RunOptions, RepeatOptions {
  readonly samples: number;
  readonly processes: number;
  readonly cadenceMs: number;
  /** Fill the windows first; where nothing ingests. */
  readonly prefill?: boolean;
  readonly profile: boolean;
}

/** What --warm-up-repeats is about, for those that repeat. */
export const warmUpRepeats = (): Option =>
  new Option(
    '--warm-up-repeats <n>',
    'runs of the engine before the first repeat, which do not count (default: 2 on a broker started here, else 0)',
  ).argParser(count);

/** Every number that a benchmark is told. @throws InvalidArgumentError for anything else, which names the option */
export function whole(text: string | undefined): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('a whole number, 1 or more');
  return value;
}

/** A whole number that may be none. */
function count(text: string): number {
  return text === '0' ? 0 : whole(text);
}

export function common(command: Command): Command {
  return command
    .option('--json', 'the last line of stdout is one JSON object')
    .option('--record <dir>', 'keep the result in DIR, where the plots are made from');
}

/** Whole numbers separated by commas; - for none. */
export function wholes(text: string): number[] {
  return text === '-' ? [] : text.split(',').map(whole);
}

export function onCluster(command: Command, partitions = 4, gpus = 10_000): Command {
  return common(command)
    .addOption(new Option('--brokers <list>', 'bootstrap servers; else a KRaft broker is started on this machine'))
    .option('--embedded', 'use the in-process cluster: shows that the benchmark works, not how fast anything is')
    .option('--gpus <n>', 'GPUs of the fleet', whole, gpus)
    .option('--partitions <n>', 'partitions of every topic', whole, partitions)
    .addOption(
      new Option('--set <key=value>', "a key of the engine's configuration; may be repeated")
        .argParser((pair: string, before: string[]) => [...before, pair])
        .default([], 'none'),
    );
}

/** @param processes null: it is the benchmark's to say how many there are */
export function throughput(command: Command, samples: number, processes: number | null, partitions?: number): Command {
  onCluster(command, partitions)
    .option('--samples <n>', 'samples of a repeat; the first fifth is warm-up', whole, samples)
    .option('--repeats <n>', 'repeats, each bare and then the engine, on empty state', whole, 3)
    .addOption(warmUpRepeats())
    .option('--cadence-ms <n>', "event time between a GPU's readings", whole, 10_000)
    .option('--profile', 'run the engine once more under a profiler, and tell where its time goes', false);
  return processes === null
    ? command
    : command.option('--processes <n>', 'processes of the engine, and of the bare consumer', whole, processes);
}
