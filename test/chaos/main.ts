import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { exitOnSignals } from '../../bench/support/interrupt.js';
import { reportOf } from './report.js';
import { runChaos, type Outage } from './run.js';
import { KINDS } from './schedule.js';
import { lineOf } from './verifier.js';

const LARGEST_SEED = 1_000_000;

function whole(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('expected a whole number above 0');
  return Number(text);
}

const AROUND = KINDS.filter((kind) => /^(broker|database)-/.test(kind)) as Outage['kind'][];

function outageOf(text: string): Outage {
  const [name, seconds] = text.split(':');
  const kind = AROUND.find((one) => one === name);
  if (kind === undefined) throw new InvalidArgumentError(`expected one of ${AROUND.join(', ')}, then :seconds`);
  return { kind, forMs: 1000 * whole(seconds ?? '') };
}

interface Options {
  readonly events: number;
  readonly seed: number;
  readonly report?: string;
  readonly outage: readonly Outage[];
  /** key=value pairs of the disturbed engine's configuration. */
  readonly set: readonly string[];
}

const say = (words: string): void => void process.stderr.write(`${new Date().toISOString()} ${words}\n`);

async function run({ events: drawn, seed, report, outage, set }: Options): Promise<void> {
  const outages = outage.length === 0 ? undefined : outage;
  const events = outages?.length ?? drawn;
  say(`seed ${seed}, ${events} events`);
  // While something is waited for that keeps no process alive, this does.
  setInterval(() => undefined, 60_000);
  const result = await runChaos({ events, seed, outages, sets: set, say });
  for (const [name, { records, lost, duplicated, differing }] of result.parts)
    say(`${name}: ${records} records, ${lost} lost, ${duplicated} duplicated, ${differing} differing`);
  for (const [sort, { beforeMb, sinceMb }] of result.memory)
    say(`memory of a ${sort} process: ${beforeMb} MB at most before, ${sinceMb} MB at most from then on`);
  const { verdict } = result;
  for (const example of verdict.examples) say(example);
  if (report !== undefined) writeFileSync(report, reportOf(result, seed, new Date().toISOString().slice(0, 10)));
  process.stdout.write(`${lineOf(events, verdict)}\n`);
  // Clients of a broker that is gone may keep the process for a while.
  process.exit(verdict.lost + verdict.duplicated + verdict.differing === 0 ? 0 : 1);
}

exitOnSignals();
new Command('test:chaos')
  .description('disturb a running engine in every way, and compare what it says with what an undisturbed one says')
  .option('--events <n>', 'how many disturbances', whole, 100)
  .option('--seed <n>', 'of the schedule and of the fleet; drawn if left out', whole, randomInt(1, LARGEST_SEED))
  .option('--report <file>', 'write the figures there, as Markdown')
  .option(
    '--outage <kind:seconds>',
    'in place of the drawn events: an outage as broker-pause:300; several come one after the other',
    (text: string, before: readonly Outage[]) => [...before, outageOf(text)],
    [] as readonly Outage[],
  )
  .option(
    '--set <key=value>',
    'setting of the disturbed engine; kafka.guarantee=at-least-once shows that this can fail',
    (pair: string, before: readonly string[]) => [...before, pair],
    [] as readonly string[],
  )
  .action(run)
  .parseAsync()
  .catch((error: unknown) => {
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exit(1);
  });
