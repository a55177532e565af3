import { parseArgs } from 'node:util';
import { loadConfiguration } from '../../topology/configuration.js';
import { jsonLog } from '../../topology/logging.js';
import { startEngine, type RoleName } from '../../topology/runtime.js';
import { untilSignalled } from '../../topology/shutdown.js';

/** `run` of the command line for the in-process cluster of another process. */
const { values } = parseArgs({
  allowPositionals: true,
  options: { roles: { type: 'string' }, config: { type: 'string' }, set: { type: 'string', multiple: true } },
});
const config = loadConfiguration({ file: values.config, environment: {}, sets: values.set ?? [] });
const signal = untilSignalled(() => process.exit(1));
const engine = await startEngine({
  config,
  roles: values.roles!.split(',') as RoleName[],
  embedded: true,
  build: { version: 'bench', commit: null },
  log: jsonLog('info', config.instance),
});
await Promise.race([signal.signalled, engine.failed]);
await engine.stop();
signal.release();
