import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CommonOptions } from './options.js';

/** A run that broke the rules of its benchmark: its figures are printed, and they do not count. */
const VOID_EXIT_CODE = 3;

interface Result {
  readonly bench: string;
  readonly format?: string;
  readonly void?: string | null;
}

/** Results of one question about different shapes of messages stand side by side. */
const fileOf = ({ bench, format }: Result): string => `${format === undefined ? bench : `${bench}-${format}`}.json`;

/** Runs a benchmark and prints what it found: for people, or as one JSON line that is the last of stdout. */
export async function publish(options: CommonOptions, measure: () => Promise<object>): Promise<void> {
  const result = (await measure()) as Result;
  if (options.record !== undefined) {
    mkdirSync(options.record, { recursive: true });
    writeFileSync(join(options.record, fileOf(result)), `${JSON.stringify(result, null, 2)}\n`);
  }
  if (options.json) console.log(JSON.stringify(result));
  else for (const line of lines(result)) console.log(line);
  if (typeof result.void === 'string') {
    console.error(`VOID: ${result.void}`);
    process.exitCode = VOID_EXIT_CODE;
  }
}

/** One line a figure; nested ones indented by their path. */
export function lines(result: object, path = ''): string[] {
  return Object.entries(result).flatMap(([name, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? lines(value, `${path}${name}.`)
      : [`${`${path}${name}`.padEnd(36)} ${typeof value === 'string' ? value : JSON.stringify(value)}`],
  );
}
