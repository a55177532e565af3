import { Command, Option } from 'commander';
import { onCluster, warmUpRepeats, whole, type RepeatOptions, type RunOptions } from '../support/options.js';
import { GUARANTEES, PEERS, type Guarantee, type PeerName } from './run.js';

export interface PeersOptions extends RunOptions, RepeatOptions {
  readonly samples: number;
  readonly processes: number;
  readonly cadenceMs: number;
  readonly prefill: boolean;
  readonly peer: PeerName | 'all';
  readonly guarantee: Guarantee;
  readonly emit: 'minute' | 'record';
  readonly heap: string;
  /** Heaps to try, the largest first; absent: none is searched for. */
  readonly heapSearch?: string | true;
  readonly engine: boolean;
  readonly topic?: string;
}

/** A JVM is still compiling in its first twenty seconds: fewer records say more of that than of the peer. */
const SAMPLES = 6_000_000;

export function peersCommand(command: Command): Command {
  return onCluster(command)
    .option('--samples <n>', 'samples of a run; the first fifth is warm-up', whole, SAMPLES)
    .option('--repeats <n>', 'repeats, each of them all contenders in turn, on empty state', whole, 3)
    .addOption(warmUpRepeats())
    .option('--processes <n>', 'processes of the engine', whole, 2)
    .option('--cadence-ms <n>', "event time between a GPU's readings", whole, 10_000)
    .addOption(new Option('--peer <name>', 'which').choices([...Object.keys(PEERS), 'all']).default('all'))
    .addOption(new Option('--guarantee <which>', 'of engine and peers').choices(GUARANTEES).default('exactly-once'))
    .addOption(
      new Option('--emit <when>', 'feature vectors of the peers: each event minute of a GPU, or each record')
        .choices(['minute', 'record'])
        .default('minute'),
    )
    .option('--heap <size>', "most heap of a peer's JVM", '4g')
    .option('--heap-search [sizes]', 'find the smallest of these heaps that keeps 95 % of the rate')
    .option('--no-engine', 'measure only the peers')
    .option('--topic <name>', 'on the given brokers: prepared there if it is not yet, and left for the next run')
    .option('--prefill', 'fill the windows of all with seven days of hourly readings first', false);
}
