import { Command } from 'commander';
import { rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DAY_MS } from '../../schema/clock.js';
import { ActuaryError } from '../../schema/errors.js';
import { Fleet } from '../../simulator/fleet.js';
import { atExit } from '../at-exit.js';
import { buildInfo } from '../build.js';
import { EMBEDDED_PARTITIONS, startEmbeddedKafka } from '../embedded/kafka.js';
import { startEmbeddedPostgres } from '../embedded/postgres.js';
import { connectionOf } from '../kafka/connection.js';
import { plainLog } from '../logging.js';
import { ROLES, startEngine } from '../runtime.js';
import { untilSignalled } from '../shutdown.js';
import { configurable, configurationOf, writeLine, type CommandContext, type ConfigurationOptions } from './context.js';
import { migrateDatabase } from './db.js';
import { DEMO_FLEET } from './demo-fleet.js';
import { DemoTelemetry, DEMO_TOPICS } from './demo-telemetry.js';
import { numberOf } from './numbers.js';

const HISTORY_DAYS = DEMO_FLEET.historyDays;
const HISTORY_CADENCE_MS = 120_000;
const LIVE_CADENCE_MS = 10_000;
/** Beyond it the history takes a quarter of an hour to load. */
const MAX_GPUS = 1_000;
/** How long the parts may take to end in order; what is left after it is removed all the same. */
const END_WITHIN_MS = 5_000;

interface DemoOptions extends ConfigurationOptions {
  gpus: string;
  hosts?: string;
  speed: string;
  seed: string;
  port?: string;
}

export function demoCommand(context: CommandContext): Command {
  return configurable(new Command('demo'))
    .option('--gpus <n>', `GPUs of the simulated fleet, 1 to ${MAX_GPUS}`, String(DEMO_FLEET.gpus))
    .option('--hosts <n>', 'hosts they stand in (default: 8 GPUs each)')
    .option('--speed <x>', 'how many times faster than real the fleet lives, once its history is loaded', '60')
    .option(
      '--seed <s>',
      'the same seed gives the same fleet; that of the default was chosen for its ailing GPUs',
      String(DEMO_FLEET.seed),
    )
    .option('--port <p>', 'port of the page (default: http.port, or any free one if that is taken)')
    .addHelpText('after', '\nNothing is kept: Ctrl-C ends it and removes all it made.\n')
    .action((options: DemoOptions) => demo(context, options));
}

async function demo(context: CommandContext, options: DemoOptions): Promise<void> {
  const beganMs = performance.now();
  const say = (line: string): void =>
    writeLine(context.stdout, `[${((performance.now() - beganMs) / 1000).toFixed(1).padStart(5)} s] ${line}`);
  const gpus = numberOf('--gpus', options.gpus, { whole: true, least: 1, most: MAX_GPUS });
  const hosts =
    options.hosts === undefined
      ? Math.ceil(gpus / 8)
      : numberOf('--hosts', options.hosts, { whole: true, least: 1, most: gpus });
  const speed = numberOf('--speed', options.speed, {});
  const seed = numberOf('--seed', options.seed, { whole: true, least: 0 });
  const port = options.port === undefined ? [] : [`http.port=${options.port}`];
  // A mistake in the configuration is better met before anything is started.
  configurationOf(context, options, port);

  const signal = untilSignalled(() => process.exit(1));
  const cleanups: (() => Promise<void>)[] = [];
  let ending = false;
  const stopped = signal.signalled.then((received): Stopped => {
    ending = true;
    setTimeout(() => {
      say('ended; nothing is left');
      process.exit();
    }, END_WITHIN_MS).unref();
    return new Stopped(received);
  });
  const unlessStopped = async <T>(work: Promise<T>): Promise<T> => {
    const result = await Promise.race([work, stopped]);
    if (result instanceof Stopped) throw result;
    return result;
  };
  /** Waits for a part to start, and has it stopped in the end, also where its start is no longer waited for. */
  const started = async <T>(start: Promise<T>, stop: (part: T) => Promise<void>): Promise<T> => {
    cleanups.push(() => start.then(stop, () => undefined));
    return unlessStopped(start);
  };
  try {
    const directory = await mkdtemp(join(tmpdir(), 'gpu-actuary-demo-'));
    const takenBack = atExit(() => rmSync(directory, { recursive: true, force: true }));
    cleanups.push(() => rm(directory, { recursive: true, force: true }).then(takenBack));
    const kafka = await started(startEmbeddedKafka(), (part) => part.stop());
    say(`embedded Kafka at ${kafka.brokers.join(', ')}`);
    const postgres = await started(startEmbeddedPostgres(), (part) => part.stop());
    const { timescale } = await unlessStopped(migrateDatabase(postgres.url));
    say(`embedded PostgreSQL, tables made${timescale ? '' : ' (plain ones: no TimescaleDB here)'}`);

    const startMs = Date.now() - HISTORY_DAYS * DAY_MS;
    const fleet = new Fleet({ gpus, hosts, seed, startMs, days: HISTORY_DAYS, cadenceMs: HISTORY_CADENCE_MS });
    const assets = join(directory, 'assets.jsonl');
    await writeFile(
      assets,
      fleet
        .assets()
        .map((asset) => `${JSON.stringify(asset)}\n`)
        .join(''),
    );

    const config = configurationOf(context, options, [
      'instance=demo',
      `kafka.brokers=${kafka.brokers.join(',')}`,
      `kafka.partitions=${EMBEDDED_PARTITIONS}`,
      `assets.file=${assets}`,
      `database.url=${postgres.url}`,
      'log.level=warn',
      ...port,
      `sources=[{topics: [${DEMO_TOPICS.json}], format: wide-json, keyed: true}, {topics: [${DEMO_TOPICS.text}], format: prometheus-text, keyed: true}]`,
    ]);
    const engine = await started(
      startOnFreePort(
        (port) =>
          startEngine({
            config: port === null ? config : { ...config, http: { ...config.http, port } },
            roles: ROLES,
            embedded: true,
            build: buildInfo(),
            // What parts say of each other's going is no news while all of them go.
            log: plainLog(context.stderr, config.log.level as 'warn', () => ending),
          }),
        options.port !== undefined,
      ),
      (part) => part.stop(),
    );
    say(`engine started: ${ROLES.join(', ')}; the page is at ${engine.url}`);

    const telemetry = new DemoTelemetry(fleet, connectionOf(config, true));
    await started(telemetry.open(), () => telemetry.close());
    say(
      `loading ${HISTORY_DAYS} days of ${gpus} GPUs on ${hosts} hosts, a reading every ${HISTORY_CADENCE_MS / 60_000} min`,
    );
    if (seed === DEMO_FLEET.seed && gpus === DEMO_FLEET.gpus)
      say('it is a chosen fleet, with more ailing GPUs than most have; --seed 1 is an ordinary one');
    let told = 0;
    await unlessStopped(
      Promise.race([
        telemetry.writeHistory((share, samples) => {
          const quarter = Math.floor(share * 4);
          if (quarter > told) say(`  ${quarter * 25} % (${samples} samples)`);
          told = Math.max(told, quarter);
        }),
        engine.failed,
      ]),
    );
    say('history loaded; the fleet lives on, ' + (speed === 1 ? 'in real time' : `${speed} times as fast as real`));
    writeLine(context.stdout, tryNext(engine.url));
    await unlessStopped(Promise.race([telemetry.live(speed, LIVE_CADENCE_MS), engine.failed]));
  } catch (error) {
    // A Ctrl-C at a terminal reaches PostgreSQL too, whose end may be the first that is heard of it.
    if (!ending) throw error;
    say(`${(await stopped).signal}: ending`);
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
    signal.release();
  }
  say('ended; nothing is left');
}

/** The demo was told to end; thrown to unwind it from wherever it is. */
class Stopped extends Error {
  constructor(readonly signal: NodeJS.Signals) {
    super(`stopped by ${signal}`);
  }
}

/** The configured port, or any free one where that is taken and nobody insisted on it. */
async function startOnFreePort<T>(start: (port: number | null) => Promise<T>, insisted: boolean): Promise<T> {
  try {
    return await start(null);
  } catch (error) {
    if (insisted || !(error instanceof ActuaryError) || error.code !== 'port_in_use') throw error;
    return start(0);
  }
}

function tryNext(url: string): string {
  return `
  Page            ${url}/
  Riskiest GPUs   curl '${url}/gpus?sort=risk&limit=5'
  API             ${url}/openapi.json
  Metrics         ${url}/metrics
  What if         npx gpu-actuary decide --model H100 --health 71.6 --p30 0.15
  Your own Kafka  npx gpu-actuary run --config gpu-actuary.yaml   (README.md says what goes into it)

  Ctrl-C ends the demo and leaves nothing behind.
`;
}
