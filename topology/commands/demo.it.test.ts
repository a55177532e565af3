import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../../schema/package-root.js';

/** The demo as a person at a terminal ends it: a signal reaches its whole process group. */
let directory: string;
let child: ChildProcess;
let output: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpu-actuary-demo-test-'));
  // PostgreSQL runs as another user where the tests run as root.
  chmodSync(directory, 0o755);
  output = '';
  child = spawn(
    process.execPath,
    [join(packageRoot(), 'dist', 'cli.cjs'), 'demo', '--gpus', '8', '--set', 'http.port=0'],
    { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TMPDIR: directory, HOME: directory } },
  );
  const keep = (data: Buffer): void => void (output += data.toString());
  child.stdout!.on('data', keep);
  child.stderr!.on('data', keep);
});

afterEach(() => {
  if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

const send = (signal: NodeJS.Signals): boolean => process.kill(-child.pid!, signal);

async function until(line: RegExp): Promise<void> {
  while (!line.test(output)) {
    if (child.exitCode !== null) throw new Error(`the demo ended: ${output}`);
    await delay(20);
  }
}

async function ended(): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once('exit', resolve));
  return child.exitCode;
}

/** Processes that still have to do with the demo's directory: PostgreSQL names it in its arguments. */
const processes = (): string[] =>
  execFileSync('ps', ['-eo', 'stat=,args='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(directory) && !line.startsWith('Z'));

async function expectNothingLeft(): Promise<void> {
  // A killed server is gone a moment later.
  for (let tries = 0; processes().length > 0 && tries < 200; tries++) await delay(50);
  expect(processes()).toEqual([]);
  expect(readdirSync(directory).filter((name) => !name.startsWith('node-compile-cache'))).toEqual([]);
}

describe('the demo', () => {
  it.each([
    ['while PostgreSQL is made', /embedded Kafka/],
    ['while the engine starts', /tables made/],
    ['while history is loaded', /loading 8 days/],
  ])('ends at Ctrl-C %s', async (_when, line) => {
    await until(line);
    await delay(200);
    send('SIGINT');
    expect(await ended()).toBe(0);
    expect(output).toMatch(/SIGINT: ending[^]*ended; nothing is left\n$/);
    expect(output).not.toContain('database_failed');
    await expectNothingLeft();
  });

  it('leaves nothing when it is told to end twice', async () => {
    await until(/loading 8 days/);
    send('SIGINT');
    await delay(50);
    send('SIGINT');
    await ended();
    await expectNothingLeft();
  });

  it('leaves nothing when its terminal is closed', async () => {
    await until(/loading 8 days/);
    child.stdout!.destroy();
    child.stderr!.destroy();
    send('SIGHUP');
    await ended();
    await expectNothingLeft();
  });
});
