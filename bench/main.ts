import { Command, Option } from 'commander';
import { messageOf } from '../schema/errors.js';
import { benchIngest } from './ingest.js';
import { benchScore } from './score.js';
import { benchWindows } from './windows.js';
import { withBroker, type BenchOptions } from './harness.js';

const show = (result: object, { json }: BenchOptions): void => {
  if (json) console.log(JSON.stringify(result));
  else console.table(result);
};

/** `npm run bench -- score --json`: throughput of a role beside a bare drain of the same topic in the same run. */
const program = new Command('bench').description('measure the engine against a bare baseline, on a real broker');
for (const [name, description, run] of [
  ['score', 'drain prepared samples bare, then through the score role', benchScore],
  ['ingest', 'drain flat wide JSON, one record a message, bare, then through the ingest role', benchIngest],
] as const)
  program
    .command(name)
    .description(description)
    .addOption(new Option('--brokers <list>', 'bootstrap servers; else a KRaft broker is started on this machine'))
    .option('--gpus <n>', 'GPUs', '10000')
    .option('--samples <n>', 'samples', name === 'score' ? '4000000' : '1000000')
    .option('--json', 'the last line is one JSON object')
    .action(async (options: BenchOptions) => {
      const result = await withBroker(options.brokers, (brokers) => run(brokers, options));
      show(result, options);
    });
program
  .command('windows')
  .description('fold decoded batches into the windows, and compute features: no broker')
  .option('--gpus <n>', 'GPUs', '10000')
  .option('--samples <n>', 'samples a repeat', '2000000')
  .addOption(new Option('--feature-set <set>', 'features that the windows keep').choices(['v1', 'v2']).default('v2'))
  .option('--json', 'the last line is one JSON object')
  .action(async (options: BenchOptions) => show(await benchWindows(options), options));
try {
  await program.parseAsync();
} catch (error) {
  console.error(`bench: ${messageOf(error)}`);
  process.exitCode = 1;
}
