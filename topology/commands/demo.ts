import { Command } from 'commander';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DAY_MS } from '../../schema/clock.js';
import { ActuaryError } from '../../schema/errors.js';
import { Fleet } from '../../simulator/fleet.js';
import { EMBEDDED_PARTITIONS, startEmbeddedKafka } from '../embedded/kafka.js';
import { startEmbeddedPostgres } from '../embedded/postgres.js';
import { connectionOf } from '../kafka/connection.js';
import { plainLog } from '../logging.js';
import { ROLES, startEngine } from '../runtime.js';
import { untilSignalled } from '../shutdown.js';
import {
  configurable,
  configurationOf,
  version,
  writeLine,
  type CommandContext,
  type ConfigurationOptions,
} from './context.js';
import { migrateDatabase } from './db.js';
import { DemoTelemetry, DEMO_TOPICS } from './demo-telemetry.js';

const HISTORY_DAYS = 8;
const HISTORY_CADENCE_MS = 120_000;
const LIVE_CADENCE_MS = 10_000;

interface DemoOptions extends ConfigurationOptions {
  gpus: string;
  hosts?: string;
  speed: string;
  seed: string;
  port?: string;
}

export function demoCommand(context: CommandContext): Command {
  return configurable(new Command('demo'))
    .description('everything in one process: embedded Kafka and PostgreSQL, a simulated fleet, the engine, the page')
    .option('--gpus <n>', 'GPUs of the simulated fleet', '64')
    .option('--hosts <n>', 'hosts they stand in (default: 8 GPUs each)')
    .option('--speed <x>', 'how many times faster than real the fleet lives, once its history is loaded', '60')
    .option('--seed <s>', 'the same seed gives the same fleet', '1')
    .option('--port <p>', 'port of the page (default: http.port, or any free one if that is taken)')
    .addHelpText('after', '\nNothing is kept: Ctrl-C ends it and removes all it made.\n')
    .action((options: DemoOptions) => demo(context, options));
}

async function demo(context: CommandContext, options: DemoOptions): Promise<void> {
  const started = performance.now();
  const say = (line: string): void =>
    writeLine(context.stdout, `[${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s] ${line}`);
  const gpus = whole('--gpus', options.gpus);
  const hosts = options.hosts === undefined ? Math.ceil(gpus / 8) : whole('--hosts', options.hosts);
  const speed = Number(options.speed);
  if (!(speed > 0) || !Number.isFinite(speed))
    throw new ActuaryError('usage', `--speed ${options.speed}: expected a number above 0`);

  const signal = untilSignalled(() => process.exit(1));
  const cleanups: (() => Promise<void>)[] = [];
  let ending = false;
  const stopped = signal.signalled.then((received): Stopped => {
    ending = true;
    return new Stopped(received);
  });
  const unlessStopped = async <T>(work: Promise<T>): Promise<T> => {
    const result = await Promise.race([work, stopped]);
    if (result instanceof Stopped) throw result;
    return result;
  };
  try {
    const directory = await mkdtemp(join(tmpdir(), 'gpu-actuary-demo-'));
    cleanups.push(() => rm(directory, { recursive: true, force: true }));
    const kafka = await startEmbeddedKafka();
    cleanups.push(() => kafka.stop());
    say(`embedded Kafka at ${kafka.brokers.join(', ')}`);
    const postgres = await startEmbeddedPostgres();
    cleanups.push(() => postgres.stop());
    const { timescale } = await migrateDatabase(postgres.url);
    say(`embedded PostgreSQL, tables made${timescale ? '' : ' (plain ones: no TimescaleDB here)'}`);

    const seed = Number(options.seed);
    if (!Number.isSafeInteger(seed)) throw new ActuaryError('usage', `--seed ${options.seed}: expected a whole number`);
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
      ...(options.port === undefined ? [] : [`http.port=${options.port}`]),
      `sources=[{topics: [${DEMO_TOPICS.json}], format: wide-json, keyed: true}, {topics: [${DEMO_TOPICS.text}], format: prometheus-text, keyed: true}]`,
    ]);
    const engine = await unlessStopped(
      startOnFreePort(
        (port) =>
          startEngine({
            config: port === null ? config : { ...config, http: { ...config.http, port } },
            roles: ROLES,
            embedded: true,
            build: { version: version(), commit: null },
            // What parts say of each other's going is no news while all of them go.
            log: plainLog(context.stderr, config.log.level as 'warn', () => ending),
          }),
        options.port !== undefined,
      ),
    );
    cleanups.push(() => engine.stop());
    say(`engine started: ${ROLES.join(', ')}; the page is at ${engine.url}`);

    const telemetry = new DemoTelemetry(fleet, connectionOf(config, true));
    await telemetry.open();
    cleanups.push(() => telemetry.close());
    say(
      `loading ${HISTORY_DAYS} days of ${gpus} GPUs on ${hosts} hosts, a reading every ${HISTORY_CADENCE_MS / 60_000} min`,
    );
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
    if (!(error instanceof Stopped)) throw error;
    say(`${error.signal}: ending`);
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

function whole(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new ActuaryError('usage', `${option} ${text}: expected a whole number, 1 or more`);
  return value;
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
