import { Command } from 'commander';
import { ActuaryError } from '../../schema/errors.js';
import { jsonLog, type Level } from '../logging.js';
import { ROLES, startEngine, type RoleName } from '../runtime.js';
import { untilSignalled } from '../shutdown.js';
import { configurable, configurationOf, version, type CommandContext, type ConfigurationOptions } from './context.js';

export function runCommand(context: CommandContext): Command {
  return configurable(new Command('run'))
    .description('run the engine: reads and writes your Kafka until it is told to stop')
    .option('--roles <roles>', 'roles of this process, comma-separated', ROLES.join(','))
    .addHelpText(
      'after',
      '\nSIGTERM or SIGINT ends it: what is in hand is finished and committed. Logs are JSON lines on stderr.\n',
    )
    .action(async (options: ConfigurationOptions & { roles: string }) => {
      const config = configurationOf(context, options);
      const log = jsonLog(config.log.level as Level, config.instance);
      const signal = untilSignalled(() => process.exit(1));
      const engine = await startEngine({
        config,
        roles: parseRoles(options.roles),
        embedded: false,
        build: { version: version(), commit: null },
        log,
      });
      log.info({ url: engine.url }, 'listening');
      try {
        const received = await Promise.race([signal.signalled, engine.failed]);
        log.info({ signal: received }, 'stopping');
      } finally {
        await engine.stop();
        signal.release();
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
