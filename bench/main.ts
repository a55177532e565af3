import { Command, Option } from 'commander';
import { messageOf } from '../schema/errors.js';
import { runAll } from './all.js';
import { benchEngine } from './engine.js';
import { benchExplain } from './explain.js';
import { benchIngest } from './ingest.js';
import { benchLatency, type LatencyOptions } from './latency.js';
import { benchModel } from './model.js';
import { benchOverload, CASES, type OverloadOptions } from './overload.js';
import { benchPeers } from './peers.js';
import { peersCommand, type PeersOptions } from './peers/options.js';
import { drawPlots } from './plots.js';
import { benchRecovery, type RecoveryOptions } from './recovery.js';
import { benchScale } from './scale.js';
import { benchScore } from './score.js';
import { benchSoak, type SoakOptions } from './soak.js';
import { benchMemory, type MemoryOptions } from './memory.js';
import { benchWindows } from './windows.js';
import { withCluster, type Cluster } from './support/cluster.js';
import { withinLimits } from './support/embedded-limits.js';
import {
  common,
  onCluster,
  throughput,
  whole,
  wholes,
  type CommonOptions,
  type ThroughputOptions,
} from './support/options.js';
import { RAW_SHAPES } from './support/raw-messages.js';
import { publish } from './support/report.js';
import { exitOnSignals } from './support/interrupt.js';

/** `npm run bench -- engine --json`: one command a question, each against a bare baseline in the same run. */
const program = new Command('bench').description('measure the engine, each question against a bare baseline');
const format = (): Option =>
  new Option('--format <shape>', 'shape of the raw messages')
    .choices(RAW_SHAPES.map((shape) => shape.format))
    .default(RAW_SHAPES[0].format);
const on =
  <T extends Omit<ThroughputOptions, 'processes'>>(bench: (cluster: Cluster, options: T) => Promise<object>) =>
  (options: T): Promise<void> =>
    publish(options, () => withCluster(options, (cluster) => bench(cluster, withinLimits(cluster, options))));
const prefill = (): Option => new Option('--no-prefill', 'begin with empty windows, not with seven days of readings');

/** @param rows unless told otherwise */
const modelQuestion = (name: string, rows: number): Command =>
  common(program.command(name))
    .option('--model <dir>', 'directory of the model', 'models/champion')
    .option('--rows <n>', 'rows', whole, rows)
    .option('--seed <n>', 'of the rows that are drawn', whole, 1);

throughput(program.command('engine'), 3_000_000, 2)
  .description('raw messages through ingest and score, as processes of the command line')
  .addOption(format())
  .action(on(benchEngine));
throughput(program.command('ingest'), 2_000_000, 1)
  .description('raw messages through the ingest role')
  .addOption(format())
  .action(on(benchIngest));
throughput(program.command('score'), 6_000_000, 1)
  .description('batches of gpu.samples through the score role')
  .addOption(prefill())
  .action(on(benchScore));
onCluster(program.command('latency'))
  .description('from a raw reading to its prediction, and to HTTP, in a fleet that lives by the wall clock')
  .option('--cadence-ms <n>', 'each GPU is read once in so much time, at a moment of its own', whole, 10_000)
  .option('--rounds <n>', 'measured readings of each GPU', whole, 6)
  .option('--warm-up-rounds <n>', 'readings of each GPU before', whole, 3)
  .option(
    '--switch-rounds <n>',
    'readings of each GPU while every 2.5 s another model comes, of three one that is refused',
    whole,
    2,
  )
  .option('--burst-rounds <n>', 'readings of each GPU that come all at once, afterwards', whole, 3)
  .option('--burst-ms <n>', 'how much time all GPUs are read in then', whole, 1_000)
  .option('--together', 'all roles in one process, not ingest and score apart from load and serve', false)
  .option('--no-database', 'without the load role and its embedded PostgreSQL')
  .addOption(prefill())
  .action((options: LatencyOptions) =>
    publish(options, () => withCluster(options, (cluster) => benchLatency(cluster, options))),
  );
throughput(program.command('scale'), 2_000_000, null, 8)
  .option('--counts <list>', 'processes, one measurement each', wholes, [1, 2, 4])
  .description('the engine in 1, 2 and 4 processes of one group; and what a sample costs in fleets of all sizes')
  .option('--fleets <list>', 'sizes of fleets; - for none', wholes, [1_000, 10_000, 100_000, 1_000_000])
  .addOption(new Option('--feature-set <set>', 'of the windows of those').choices(['v1', 'v2']).default('v1'))
  .addOption(format())
  .action(on(benchScale));
onCluster(program.command('recovery'), 12)
  .description(
    'score, killed with seven full days in its windows and started again: to ready, and to the first records',
  )
  .option('--kills <n>', 'how often it is killed; median and spread are told', whole, 3)
  .option('--static', 'the process is a static member of its group (kafka.staticMembership)', false)
  .addOption(
    new Option('--peer <name>', 'kill an application of it too, with the same days and timeout').choices(['streams']),
  )
  .action((options: RecoveryOptions) =>
    publish(options, () => withCluster(options, (cluster) => benchRecovery(cluster, options))),
  );
onCluster(program.command('overload'))
  .description('more than can be kept up with: memory, rate, what is passed over and how late it all is')
  .addOption(
    new Option('--case <case>', 'a burst for a minute, or a consumer that comes back a day behind')
      .choices([...CASES, 'both'])
      .default('both'),
  )
  .option('--cadence-ms <n>', 'each GPU is read once in so much time', whole, 10_000)
  .option('--live-seconds <n>', 'how long the fleet sends what it usually does, before and afterwards', whole, 20)
  .option('--burst-factor <n>', 'how many times as much it sends in the burst', whole, 100)
  .option('--burst-seconds <n>', 'how long the burst lasts', whole, 60)
  .option('--behind-hours <n>', 'how far behind the consumer is', whole, 24)
  .option('--behind-cadence-ms <n>', "event time between a GPU's readings meanwhile", whole, 120_000)
  .option('--steady-samples <n>', 'samples at the usual cadence, for the rate to compare with', whole, 3_000_000)
  .option('--processes <n>', 'processes with ingest and score', whole, 1)
  .action((options: OverloadOptions) =>
    publish(options, () => withCluster(options, (cluster) => benchOverload(cluster, options))),
  );
onCluster(program.command('soak'), 4, 2_000)
  .description('does memory stay where it is: weeks of event time at a steady rate, minute by minute')
  .option('--minutes <n>', 'of wall clock', whole, 20)
  .option('--rate <n>', 'messages a second, each a reading of a GPU', whole, 10_000)
  .option('--cadence-ms <n>', "event time between a GPU's readings", whole, 600_000)
  .option('--processes <n>', 'processes with ingest and score', whole, 1)
  .action((options: SoakOptions) =>
    publish(options, () => withCluster(options, (cluster) => benchSoak(cluster, options))),
  );
peersCommand(program.command('peers'))
  .description('the engine beside programs for Flink and Kafka Streams, in turn on the same topic')
  .action((options: PeersOptions) =>
    publish(options, () => withCluster(options, (cluster) => benchPeers(cluster, options))),
  );
common(program.command('windows'))
  .description('decoded batches into the windows, and features out of them: no broker')
  .option('--gpus <n>', 'GPUs', whole, 10_000)
  .option('--samples <n>', 'samples a repeat', whole, 2_000_000)
  .addOption(new Option('--feature-set <set>', 'features that the windows keep').choices(['v1', 'v2']).default('v2'))
  .option('--window-days <list>', 'lengths of the window, in days, one measurement each', wholes, [7])
  .action((options: CommonOptions & Parameters<typeof benchWindows>[0]) =>
    publish(options, () => benchWindows(options)),
  );
common(program.command('memory'))
  .description('what the windows of a fleet take with seven full days in them: no broker')
  .option('--gpus <list>', 'GPUs, one measurement each', wholes, [10_000, 100_000])
  .addOption(new Option('--feature-set <set>', 'features that the windows keep').choices(['v1', 'v2']).default('v2'))
  .action((options: CommonOptions & MemoryOptions) => publish(options, () => benchMemory(options)));
modelQuestion('model', 51_200)
  .description("what the model's graph takes of a row, by CPU time; void where it is slower than asked: no broker")
  .option('--batches <list>', 'rows of a batch, one measurement each', wholes, [16, 64, 512])
  .option('--repeats <n>', 'repeats of each; medians are told', whole, 5)
  .action((options: CommonOptions & Parameters<typeof benchModel>[0]) => publish(options, () => benchModel(options)));
modelQuestion('explain', 5_000)
  .description('what the top factors of a prediction cost; void where a row takes longer than it may: no broker')
  .action((options: CommonOptions & Parameters<typeof benchExplain>[0]) =>
    publish(options, () => benchExplain(options)),
  );

program
  .command('plots')
  .description('draw the plots of results that were kept with --record, as SVG, beside them')
  .argument('<dir>', 'where the results are')
  .action((directory: string) => void drawPlots(directory));
program
  .command('all')
  .description('every benchmark in turn, results kept and plots drawn')
  .option('--record <dir>', 'where results and plots go', 'docs/benchmarks')
  .option('--brokers <list>', 'bootstrap servers, for all of them')
  .option('--embedded', 'the in-process cluster, for all of them')
  .action(async ({ record, brokers, embedded }: { record: string; brokers?: string; embedded?: boolean }) => {
    const failed = await runAll(record, [
      ...(brokers === undefined ? [] : ['--brokers', brokers]),
      ...(embedded ? ['--embedded'] : []),
    ]);
    if (failed.length > 0) throw new Error(`failed or void: ${failed.join('; ')}`);
  });

exitOnSignals();
try {
  await program.parseAsync();
} catch (error) {
  console.error(`bench: ${messageOf(error)}`);
  process.exitCode = 1;
}
