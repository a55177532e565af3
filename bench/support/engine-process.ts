import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { packageRoot } from '../../schema/package-root.js';
import type { RoleName } from '../../topology/runtime.js';
import type { Cluster } from './cluster.js';
import { parseExposition, type Series } from './exposition.js';
import { freePort, start, type Running } from './processes.js';
import { removeScratch, scratchDirectory } from './scratch.js';

const READY_TIMEOUT_MS = 90_000;

export interface EngineOptions {
  /** Roles of each process. */
  readonly processes: readonly (readonly RoleName[])[];
  /** The configuration file, without what the processes differ in. */
  readonly config: object;
  /** key=value pairs of the command line, as `--set` takes them. */
  readonly sets: readonly string[];
  /** Flags of Node before the program. */
  readonly nodeFlags?: readonly string[];
}

export interface EngineProcess {
  readonly name: string;
  readonly roles: readonly RoleName[];
  readonly running: Running;
  readonly url: string;
}

/** The engine as its users run it: processes of the command line with a configuration file, looked at from outside. */
export class EngineProcesses {
  private constructor(
    readonly all: readonly EngineProcess[],
    private readonly directory: string,
  ) {}

  /** Starts all of them at once, so that their groups form in one go. Does not wait for them to be ready. */
  static async start(
    cluster: Cluster,
    { processes, config, sets, nodeFlags = [] }: EngineOptions,
  ): Promise<EngineProcesses> {
    const directory = scratchDirectory('bench');
    const file = join(directory, 'gpu-actuary.json');
    writeFileSync(file, JSON.stringify(config));
    // The in-process cluster creates no topics on request, and the command line knows no such cluster.
    const entry = cluster.kind === 'embedded' ? join('bench', 'support', 'engine-on-embedded.js') : 'cli.cjs';
    const ports = await Promise.all(processes.map(freePort));
    const all = processes.map((roles, index) => {
      const name = `bench-${index + 1}`;
      const pairs = [`instance=${name}`, `http.port=${ports[index]}`, ...sets];
      const running = start(
        process.execPath,
        [
          ...nodeFlags,
          join(packageRoot(), 'dist', entry),
          'run',
          ...['--roles', roles.join(',')],
          ...['--config', file],
          ...pairs.flatMap((pair) => ['--set', pair]),
        ],
        { env: withoutSettings(process.env) },
      );
      return { name, roles, running, url: `http://127.0.0.1:${ports[index]}` };
    });
    return new EngineProcesses(all, directory);
  }

  /** Resolves when every role of every process does its work. @throws Error where one ends, or takes too long */
  async ready(): Promise<void> {
    const until = Date.now() + READY_TIMEOUT_MS;
    for (const { name, running, url } of this.all)
      while (
        !(await fetch(`${url}/readyz`).then(
          ({ ok }) => ok,
          () => false,
        ))
      ) {
        if (running.child.exitCode !== null || running.child.signalCode !== null)
          throw new Error(`engine process ${name} ended: ${running.output()}`);
        if (Date.now() > until) throw new Error(`engine process ${name} does not get ready: ${running.output()}`);
        await delay(100);
      }
  }

  /** What each process exposes at /metrics; empty for one that does not listen yet. */
  metrics(): Promise<Series[]> {
    return Promise.all(
      this.all.map(({ url }) =>
        fetch(`${url}/metrics`).then(
          async (response) => parseExposition(await response.text()),
          () => new Map<string, number>(),
        ),
      ),
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map(({ running }) => running.stop()));
    removeScratch(this.directory);
  }
}

/** What the shell has set for another engine is no part of the measurement. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('GPU_ACTUARY_')));
}
