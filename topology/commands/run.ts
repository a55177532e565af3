import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { ActuaryError, messageOf } from '../../schema/errors.js';
import { buildInfo } from '../build.js';
import { jsonLog, type Level } from '../logging.js';
import { ROLES, startEngine, type RoleName } from '../runtime.js';
import { endsWithinDeadline, logUncaught, untilSignalled } from '../shutdown.js';
import { configurable, configurationOf, type CommandContext, type ConfigurationOptions } from './context.js';

/** How long a start that is under way may go on after it was told to stop. */
const EARLY_STOP_MS = 5_000;

export function runCommand(context: CommandContext): Command {
  return configurable(new Command('run'))
    .option('--roles <roles>', 'roles of this process, comma-separated', ROLES.join(','))
    .addHelpText(
      'after',
      '\nSIGTERM or SIGINT ends it: what is in hand is finished and committed, within shutdown.deadlineMs; a second\nsignal ends it at once. Logs are JSON lines on stderr.\n',
    )
    .action(async (options: ConfigurationOptions & { roles: string }) => {
      const config = configurationOf(context, options);
      const log = jsonLog(config.log.level as Level, config.instance);
      const signal = untilSignalled(() => process.exit(1));
      const release = logUncaught(log);
      const starting = startEngine({
        config,
        roles: parseRoles(options.roles),
        embedded: false,
        build: buildInfo(),
        log,
      });
      const early = await Promise.race([starting.then(() => null), signal.signalled]);
      if (early !== null) {
        log.info({ signal: early }, 'stopping, although the start is not through');
        const stopped = starting.then(
          (engine) => engine.stop(),
          () => undefined,
        );
        // A cluster that does not answer can hold up a start for long: there is nothing in hand to wait for.
        await Promise.race([stopped, delay(EARLY_STOP_MS)]);
        process.exit(0);
      }
      const engine = await starting;
      log.info({ url: engine.url }, 'listening');
      try {
        const received = await Promise.race([signal.signalled, engine.failed]);
        log.info({ signal: received }, 'stopping');
      } catch (error) {
        log.error({ code: error instanceof ActuaryError ? error.code : 'internal' }, messageOf(error));
        throw error;
      } finally {
        await endsWithinDeadline(() => engine.stop(), config.shutdown.deadlineMs, log);
        signal.release();
        release();
      }
      log.info({}, 'stopped');
    });
}

function parseRoles(text: string): RoleName[] {
  const roles = new Set<RoleName>();
  for (const name of text.split(',').map((part) => part.trim())) {
    const role = ROLES.find((known) => known === name);
    if (role === undefined) throw new ActuaryError('usage', `--roles ${name}: expected any of ${ROLES.join(',')}`);
    roles.add(role);
  }
  return [...roles];
}
