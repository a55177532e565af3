import { Command, CommanderError } from 'commander';
import { ActuaryError, messageOf } from '../../schema/errors.js';
import { version, writeLine, type CommandContext } from './context.js';

type Make = (context: CommandContext) => Command;

/** In the order of the help. What one of them needs is loaded when it is asked for: to load all takes longer than most of them run. */
const COMMANDS: Readonly<Record<string, () => Promise<Make>>> = {
  demo: async () => (await import('./demo.js')).demoCommand,
  run: async () => (await import('./run.js')).runCommand,
  drain: async () => (await import('./drain.js')).drainCommand,
  replay: async () => (await import('./replay.js')).replayCommand,
  simulate: async () => (await import('./simulate.js')).simulateCommand,
  'training-set': async () => (await import('./training-set.js')).trainingSetCommand,
  decide: async () => (await import('./decide.js')).decideCommand,
  explain: async () => (await import('./explain.js')).explainCommand,
  evaluate: async () => (await import('./evaluate.js')).evaluateCommand,
  topics: async () => (await import('./topics.js')).topicsCommand,
  'dead-letters': async () => (await import('./dead-letters.js')).deadLettersCommand,
  db: async () => (await import('./db.js')).dbCommand,
  labels: async () => (await import('./labels.js')).labelsCommand,
  model: async () => (await import('./model.js')).modelCommand,
  config: async () => (await import('./config.js')).configCommand,
};

/** Exit statuses: 1 for what went wrong, 2 for a command line or configuration that cannot be meant. */
const FAILED = 1;
const MISUSED = 2;

/**
 * Runs the command line.
 * @returns the exit status
 */
export async function main(
  argv: readonly string[],
  environment: CommandContext['environment'],
  streams: Omit<CommandContext, 'environment'> = process,
): Promise<number> {
  const context: CommandContext = { environment, stdin: streams.stdin, stdout: streams.stdout, stderr: streams.stderr };
  // `gpu-actuary … | head` closes the pipe early; that ends the command, quietly.
  streams.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    writeLine(streams.stderr, `gpu-actuary: output_unwritable: standard output: ${messageOf(error)}`);
    process.exit(FAILED);
  });
  const program = new Command('gpu-actuary')
    .description('Failure odds and dollar values of GPUs, kept current straight from their DCGM stream')
    .version(version())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void streams.stdout.write(text),
      writeErr: (text) => void streams.stderr.write(text),
    })
    .showHelpAfterError('(gpu-actuary --help shows what there is)')
    .addHelpText('after', '\nStart with:  gpu-actuary demo\n');
  const [name] = argv;
  const asked = Object.hasOwn(COMMANDS, name) ? [COMMANDS[name]] : Object.values(COMMANDS);
  for (const load of asked) program.addCommand(inherit((await load())(context), program));
  // No help is there of a command that is not: with --help behind it, it is the same mistake as without.
  const isUnknown = asked.length > 1 && name !== undefined && name !== 'help' && !name.startsWith('-');
  try {
    await program.parseAsync(isUnknown ? [name] : [...argv], { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : MISUSED;
    if (!(error instanceof ActuaryError)) throw error;
    writeLine(streams.stderr, `gpu-actuary: ${error.code}: ${messageOf(error)}`);
    return error.code === 'usage' || error.code === 'config_invalid' || error.code === 'config_unreadable'
      ? MISUSED
      : FAILED;
  }
}

/** Subcommands report errors as the program does: by exceptions, to the same streams. */
function inherit(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inherit(child, command);
  return command;
}
