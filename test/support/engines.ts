import { EngineCommand } from './engine-command.js';

/** Engines of a test on one broker, with the configuration that they have in common; none outlives it. */
export class Engines {
  private readonly started: EngineCommand[] = [];

  /** @param sets key=value pairs beside those that any test wants */
  constructor(
    private readonly brokers: string,
    private readonly sets: readonly string[],
  ) {}

  /** Starts one. @param roles comma-separated */
  run(roles: string, ...sets: string[]): EngineCommand {
    const common = [`kafka.brokers=${this.brokers}`, 'instance=test', 'kafka.partitions=2', 'http.port=0'];
    const engine = new EngineCommand(
      ['run', '--roles', roles],
      [...common, 'kafka.sessionTimeoutMs=6000', ...this.sets, ...sets],
    );
    this.started.push(engine);
    return engine;
  }

  async end(): Promise<void> {
    for (const engine of this.started) await engine.end('SIGKILL');
  }
}
