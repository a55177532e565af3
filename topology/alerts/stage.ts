import { topicName } from '../../schema/topics.js';
import { openLog } from '../kafka/connection.js';
import { Ownership } from '../ingest/ownership.js';
import type { Readiness, Role, RoleContext } from '../roles/role.js';
import { Watch, type WatchDependencies } from './watch.js';

/**
 * The alert stage: one instance among all with the role of `alerts.role` watches the whole fleet, because what it judges needs
 * the GPUs of a host and of a source together. Another takes over when it goes.
 */
export class AlertStage implements Role {
  readonly name = 'alerts';
  private readonly ownership: Ownership;
  private watch: Watch | null = null;

  constructor(
    private readonly dependencies: WatchDependencies,
    private readonly context: RoleContext,
  ) {
    const { connection } = dependencies;
    // Its own group on the topic that nobody writes to: whoever has the one partition watches.
    const log = openLog(connection, 'alerts', [topicName(connection.topicPrefix, 'ingestLock')], (message) => {
      dependencies.instruments.clientWarning('alerts');
      context.log.warn({ role: 'alerts' }, message);
    });
    this.ownership = new Ownership(
      log,
      () => this.gained(),
      () => this.lost(),
      context.fail,
    );
  }

  start(): Promise<void> {
    return this.ownership.start();
  }

  readiness(): Readiness {
    return { ready: true, detail: this.watch === null ? 'another instance watches, or none yet' : this.watch.detail };
  }

  stop(): Promise<void> {
    return this.ownership.stop();
  }

  private gained(): Promise<void> {
    this.context.log.info({ role: 'alerts' }, 'this instance watches the fleet');
    this.watch = new Watch(this.dependencies, this.context);
    // Tables take their time to read; membership of the group must not wait for them.
    this.watch.start().catch(this.context.fail);
    return Promise.resolve();
  }

  private async lost(): Promise<void> {
    const { watch } = this;
    this.watch = null;
    await watch?.stop();
  }
}
