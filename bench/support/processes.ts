import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { createServer, connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Child processes of tests and benchmarks: each a process group of its own, none outlives this process. */

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) killGroup(child, 'SIGKILL');
});

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}

export interface Running {
  readonly child: ChildProcess;
  /** The newest output, for error messages. */
  output(): string;
  /** Sends SIGTERM, after a while SIGKILL; resolves when the process is gone. */
  stop(graceMs?: number): Promise<void>;
  kill(signal: NodeJS.Signals): void;
}

const OUTPUT_CHARACTERS = 100_000;

export interface StartOptions extends SpawnOptions {
  /** Lines that are not worth keeping: those that come again and again would push out what went wrong. */
  readonly forget?: RegExp;
}

export function start(command: string, args: readonly string[], options: StartOptions = {}): Running {
  const { forget, ...spawning } = options;
  const child = spawn(command, args, { ...spawning, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let output = '';
  const keep = (data: Buffer): void => {
    let text = data.toString('utf8');
    if (forget !== undefined)
      text = text
        .split(/(?<=\n)/)
        .filter((line) => !forget.test(line))
        .join('');
    output = (output + text).slice(-OUTPUT_CHARACTERS);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  child.on('error', (error) => keep(Buffer.from(error.message)));
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => {
      running.delete(child);
      resolve();
    });
    child.once('error', () => {
      running.delete(child);
      resolve();
    });
  });
  return {
    child,
    output: () => output,
    kill: (signal) => killGroup(child, signal),
    async stop(graceMs = 10_000) {
      if (!running.has(child)) return;
      killGroup(child, 'SIGTERM');
      const timer = setTimeout(() => killGroup(child, 'SIGKILL'), graceMs);
      await gone;
      clearTimeout(timer);
    },
  };
}

/** Runs a command to its end. @throws Error with its output if it fails */
export async function run(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<string> {
  const started = start(command, args, options);
  const code = await new Promise<number | null>((resolve) => {
    started.child.once('exit', resolve);
    started.child.once('error', () => resolve(-1));
  });
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} failed (${code}): ${started.output()}`);
  return started.output();
}

/** Runs a measurement in a Node process of its own: the last line that it prints is one JSON object. */
export async function measuredBy<T>(args: readonly string[]): Promise<T> {
  const output = await run(process.execPath, args);
  return JSON.parse(output.trimEnd().split('\n').at(-1)!) as T;
}

/** Whether a command is there to be run. */
export async function has(command: string, args: readonly string[] = ['--version']): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  );
}

/** A loopback port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Waits until something accepts connections. @throws Error after `timeoutMs`, or when the process has ended */
export async function untilListening(port: number, process: Running, timeoutMs: number): Promise<void> {
  const until = Date.now() + timeoutMs;
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    if (process.child.exitCode !== null) throw new Error(`ended early: ${process.output()}`);
    if (Date.now() > until) throw new Error(`not listening on ${port} after ${timeoutMs} ms: ${process.output()}`);
    await delay(100);
  }
}
