import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../schema/package-root.js';
import { drawPlots } from './plots.js';
import { say } from './support/say.js';

/** Every question with its usual settings, in the order of the stream. */
const QUESTIONS: readonly (readonly string[])[] = [
  ['windows', '--window-days', '1,7,30,90', '--gpus', '200'],
  ['memory'],
  ['model'],
  ['explain'],
  ['ingest'],
  ['ingest', '--format', 'wide-json'],
  ['ingest', '--format', 'prometheus-text', '--samples', '1000000'],
  ['score'],
  ['engine', '--profile'],
  ['latency'],
  ['scale'],
  ['overload'],
  ['peers'],
];
const WITHOUT_BROKER = new Set(['windows', 'memory', 'model', 'explain']);

/**
 * Runs every benchmark, each in a process of its own, keeps the results in a directory and draws the plots.
 * @param broker options that tell which cluster, passed on
 * @returns names of those that failed or are void
 */
export async function runAll(directory: string, broker: readonly string[]): Promise<string[]> {
  const failed: string[] = [];
  for (const question of QUESTIONS) {
    say(`== ${question.join(' ')}`);
    const cluster = WITHOUT_BROKER.has(question[0]) ? [] : broker;
    const code = await new Promise<number | null>((resolve) => {
      spawn(
        process.execPath,
        [join(packageRoot(), 'dist', 'bench', 'main.js'), ...question, ...cluster, '--json', '--record', directory],
        { stdio: 'inherit' },
      ).once('exit', resolve);
    });
    if (code !== 0) failed.push(question.join(' '));
  }
  drawPlots(directory);
  return failed;
}
