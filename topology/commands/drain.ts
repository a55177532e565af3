import { Command } from 'commander';
import { ActuaryError, messageOf } from '../../schema/errors.js';
import { buildInfo } from '../build.js';
import { jsonLog, type Level } from '../logging.js';
import { startEngine, type Engine } from '../runtime.js';
import { waitsFor } from '../score/draining.js';
import { endsWithinDeadline, logUncaught, untilSignalled } from '../shutdown.js';
import { configurable, configurationOf, type CommandContext, type ConfigurationOptions } from './context.js';
import { numberOf } from './numbers.js';

const PROGRESS_EVERY_MS = 5_000;

export function drainCommand(context: CommandContext): Command {
  return configurable(new Command('drain'))
    .option(
      '--wait-seconds <n>',
      'for other instances to give their partitions up',
      (text) => numberOf('--wait-seconds', text, { whole: true, least: 0 }),
      60,
    )
    .addHelpText(
      'after',
      '\nFor the end of a fleet or of a recording: stop ingest and score everywhere before. Samples that come later and\nbelong to an hour that was closed are late. A plain stop needs no draining: it resumes where it was.\n',
    )
    .action(async (options: ConfigurationOptions & { waitSeconds: number }) => {
      const config = configurationOf(context, options);
      const log = jsonLog(config.log.level as Level, config.instance);
      const signal = untilSignalled(() => process.exit(1));
      const release = logUncaught(log);
      const build = buildInfo();
      const starting = startEngine({ config, roles: ['score'], embedded: false, build, log });
      const engine = await Promise.race([starting, signal.signalled.then(interrupted)]);
      const progress = new AbortController();
      try {
        await Promise.race([
          engine.drain(),
          engine.failed,
          signal.signalled.then(interrupted),
          watch(engine, options.waitSeconds * 1000, (message) => log.info({}, message), progress.signal),
        ]);
        log.info({}, 'drained: all open hours are closed');
      } catch (error) {
        log.error({ code: error instanceof ActuaryError ? error.code : 'internal' }, messageOf(error));
        throw error;
      } finally {
        progress.abort();
        await endsWithinDeadline(() => engine.stop(), config.shutdown.deadlineMs, log);
        signal.release();
        release();
      }
    });
}

/** Says what is waited for; gives up where partitions stay with others. Resolves never. */
function watch(
  engine: Engine,
  patienceMs: number,
  say: (message: string) => void,
  signal: AbortSignal,
): Promise<never> {
  return new Promise((_, reject) => {
    let waitedMs = 0;
    const timer = setInterval(() => {
      const progress = engine.drainProgress();
      if (progress === null) return;
      waitedMs = progress.owned < progress.partitions ? waitedMs + PROGRESS_EVERY_MS : 0;
      if (waitedMs > patienceMs)
        reject(new ActuaryError('drain_incomplete', `nothing was closed: ${waitsFor(progress)}`));
      else say(waitsFor(progress));
    }, PROGRESS_EVERY_MS);
    signal.addEventListener('abort', () => clearInterval(timer));
  });
}

function interrupted(): never {
  throw new ActuaryError(
    'drain_incomplete',
    'told to stop before the open hours were closed: nothing is lost, drain again',
  );
}
