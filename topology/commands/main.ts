import { Command, CommanderError } from 'commander';
import { ActuaryError, messageOf } from '../../schema/errors.js';
import { version, writeLine, type CommandContext } from './context.js';
import { configCommand } from './config.js';
import { dbCommand } from './db.js';
import { deadLettersCommand } from './dead-letters.js';
import { decideCommand } from './decide.js';
import { demoCommand } from './demo.js';
import { drainCommand } from './drain.js';
import { evaluateCommand } from './evaluate.js';
import { explainCommand } from './explain.js';
import { labelsCommand } from './labels.js';
import { modelCommand } from './model.js';
import { replayCommand } from './replay.js';
import { runCommand } from './run.js';
import { simulateCommand } from './simulate.js';
import { topicsCommand } from './topics.js';
import { trainingSetCommand } from './training-set.js';

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
  for (const make of [
    demoCommand,
    runCommand,
    drainCommand,
    replayCommand,
    simulateCommand,
    trainingSetCommand,
    decideCommand,
    explainCommand,
    evaluateCommand,
    topicsCommand,
    deadLettersCommand,
    dbCommand,
    labelsCommand,
    modelCommand,
    configCommand,
  ])
    program.addCommand(inherit(make(context), program));
  try {
    await program.parseAsync([...argv], { from: 'user' });
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
