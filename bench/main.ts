import { Command, Option } from 'commander';
import { messageOf } from '../schema/errors.js';
import { benchIngest } from './ingest.js';
import { benchScore } from './score.js';
import { withBroker, type BenchOptions } from './harness.js';

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
      if (options.json) console.log(JSON.stringify(result));
      else console.table(result);
    });
try {
  await program.parseAsync();
} catch (error) {
  console.error(`bench: ${messageOf(error)}`);
  process.exitCode = 1;
}
