import { Command, CommanderError } from 'commander';
import { ActuaryError, messageOf } from '../../schema/errors.js';
import { version } from '../build.js';
import { CATALOGUE } from './catalogue.js';
import type { CommandContext } from './context.js';
import { withNative } from './native.js';

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
  endWithOutput(streams);
  const [first, second] = argv.filter((argument) => !argument.startsWith('-'));
  const name = first === 'help' ? second : first;
  const isKnown = name !== undefined && Object.hasOwn(CATALOGUE, name);
  const isUnknown = name !== undefined && !isKnown && !argv[0].startsWith('-');
  let program = new Command('gpu-actuary');
  try {
    program = await programOf(isKnown ? name : null, context);
    // No help is there of a command that is not: with --help behind it, it is the same mistake as without.
    await program.parseAsync(isUnknown ? [name] : [...argv], { from: 'user' });
    return 0;
  } catch (error) {
    // Help or version that was asked for; help where a subcommand is missing.
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    if (error instanceof CommanderError && error.code === 'commander.help') return MISUSED;
    const known = error instanceof CommanderError ? misuse(error) : error;
    if (!(known instanceof ActuaryError)) throw known;
    streams.stderr.write(`gpu-actuary: ${known.code}: ${messageOf(known)}\n`);
    if (known.code === 'usage') streams.stderr.write(`(${pathOf(program, argv)} --help shows what there is)\n`);
    return known.code === 'usage' || known.code === 'config_invalid' || known.code === 'config_unreadable'
      ? MISUSED
      : FAILED;
  }
}

const watched = new WeakSet<CommandContext['stdout']>();

/** `gpu-actuary … | head` closes the pipe early; that ends the command, quietly. It may do so after the command, too. */
function endWithOutput({ stdout, stderr }: Pick<CommandContext, 'stdout' | 'stderr'>): void {
  if (watched.has(stdout)) return;
  watched.add(stdout);
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    stderr.write(`gpu-actuary: output_unwritable: standard output: ${messageOf(error)}\n`);
    process.exit(FAILED);
  });
}

/** With the command that is asked for, else with the names and descriptions of all. */
async function programOf(name: string | null, context: CommandContext): Promise<Command> {
  const program = new Command('gpu-actuary')
    .description('Failure odds and dollar values of GPUs, kept current straight from their DCGM stream')
    .version(version())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
      // What is wrong is told in one place, in one style.
      outputError: () => undefined,
    })
    .addHelpText('after', '\nStart with:  gpu-actuary demo\n');
  const asked = name === null ? Object.entries(CATALOGUE) : [[name, CATALOGUE[name]] as const];
  for (const [each, { description, load }] of asked) {
    const command = name === null ? new Command(each) : (await withNative(load))(context);
    program.addCommand(inherit(command.description(description), program));
  }
  return program;
}

/** Subcommands report errors as the program does: by exceptions, to the same streams. */
function inherit(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inherit(child, command);
  return command;
}

/** commander's word on a command line, as the commands have theirs. */
function misuse({ message }: CommanderError): ActuaryError {
  return new ActuaryError('usage', message.replace(/^error: /, '').replaceAll('\n', ' '));
}

/** The command that was meant, as it is typed. */
function pathOf(program: Command, argv: readonly string[]): string {
  const path = [program.name()];
  let command: Command | undefined = program;
  for (const argument of argv) {
    command = command.commands.find((child) => child.name() === argument);
    if (command === undefined) break;
    path.push(argument);
  }
  return path.join(' ');
}
