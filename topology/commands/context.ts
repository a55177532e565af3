import { Command, Option } from 'commander';
import type { Config } from '../../schema/config.js';
import { loadConfiguration } from '../configuration.js';

/** What a command sees of the outside world; handed in, so that tests can hand in something else. */
export interface CommandContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { isTTY?: boolean };
}

export interface ConfigurationOptions {
  config?: string;
  set?: string[];
}

/** A command with the options that every command takes. */
export function configurable(command: Command): Command {
  return command
    .addOption(new Option('--config <file>', 'configuration, YAML or JSON'))
    .addOption(
      new Option('--set <key=value>', 'a configuration key, such as score.everyMs=30000; may be repeated').argParser(
        (value: string, before: string[] | undefined) => [...(before ?? []), value],
      ),
    );
}

/** Configuration of a command: its file, the environment, its `--set` flags. `extra` pairs go before the flags. */
export function configurationOf(
  context: CommandContext,
  options: ConfigurationOptions,
  extra: readonly string[] = [],
): Config {
  return loadConfiguration({
    file: configurationFileOf(context, options),
    environment: withoutOwn(context.environment),
    sets: [...extra, ...(options.set ?? [])],
  });
}

/** The file that the option names, else the variable: one that is set to nothing names none. */
export function configurationFileOf(context: CommandContext, options: ConfigurationOptions): string | undefined {
  const { GPU_ACTUARY_CONFIG: file } = context.environment;
  return options.config ?? (file === '' ? undefined : file);
}

/** GPU_ACTUARY_CONFIG names the file and is no key of it. */
function withoutOwn(environment: CommandContext['environment']): CommandContext['environment'] {
  return { ...environment, GPU_ACTUARY_CONFIG: undefined };
}

/** Tells what is going on where standard output is for the answer. */
export function tellerOf(context: CommandContext): (message: string) => void {
  return (message) => writeLine(context.stderr, message);
}

/** Writes a line; a reader that went away (a closed pipe) is not an error. */
export function writeLine(stream: NodeJS.WritableStream, line: string): void {
  stream.write(`${line}\n`);
}
