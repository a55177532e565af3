import {
  FORGOTTEN_AFTER_MS,
  Presence,
  type Silence,
  type SilenceKind,
  type Surroundings,
} from '../../operators/alerts/presence.js';
import { AlertBook, MODEL_REFUSED, type RuleKind, type RuleRecords } from '../../operators/alerts/rules.js';
import type { Config } from '../../schema/config.js';
import type { AlertRecord } from '../../schema/records.js';
import { RuleStage } from './rule-stage.js';

const SILENCES: readonly string[] = [
  'detached',
  'host_silent',
  'gpu_silent',
  'pipeline_silent',
] satisfies readonly SilenceKind[];

/** One moment by two clocks, ms. */
export interface Moment {
  /** Of a clock that only goes forward, from anywhere. */
  readonly nowMs: number;
  /** Epoch ms. */
  readonly wallMs: number;
}

export interface Findings {
  readonly alerts: readonly AlertRecord[];
  /** Who has just fallen silent, for the score role to be told. */
  readonly silences: readonly Silence[];
}

/**
 * What the watch says, from what it reads; time is passed in. Until it begins it only takes over what there is: what
 * fires, from gpu.alerts itself, and which GPUs there are, from gpu.predictions, so that a restart repeats nothing.
 */
export class Judging {
  private readonly presence: Presence;
  private readonly book = new AlertBook();
  private readonly rules: RuleStage;

  constructor(config: Pick<Config, 'alerts' | 'windows'>) {
    // windows.gapMs is set to at least 2.5 scrape intervals.
    this.presence = new Presence(config.windows.gapMs / 2.5);
    this.rules = new RuleStage(config, this.book);
  }

  /** GPUs that are known. */
  get size(): number {
    return this.presence.size;
  }

  /** GPUs that are silent now. */
  get silent(): number {
    return this.presence.silent;
  }

  /** How many alerts fire, by name; names of which none does included. */
  firing(): Map<string, number> {
    const counts = new Map([...SILENCES, ...this.rules.names, MODEL_REFUSED].map((name) => [name, 0]));
    for (const { alert } of this.book.firing()) counts.set(alert, (counts.get(alert) ?? 0) + 1);
    return counts;
  }

  /** Takes a record of gpu.alerts, as this or another instance wrote it. */
  told(record: AlertRecord): void {
    this.book.restore(record);
  }

  /** Takes an output. @returns alerts to write */
  take<Kind extends RuleKind>(kind: Kind, record: RuleRecords[Kind], { nowMs, wallMs }: Moment): AlertRecord[] {
    if (kind === 'predictions') {
      const { gpu_uuid, host, newest_reading_at } = record as RuleRecords['predictions'];
      // The topic keeps the last word of GPUs that left the fleet long ago.
      if (newest_reading_at >= wallMs - FORGOTTEN_AFTER_MS)
        this.presence.known(gpu_uuid, host, newest_reading_at, nowMs);
    }
    return this.rules.take(kind, record);
  }

  /** A sample arrived. @param nowMs monotonic */
  heard(gpuUuid: string, host: string | null, topic: string, partition: number, eventMs: number, nowMs: number): void {
    this.presence.heard(gpuUuid, host, topic, partition, eventMs, nowMs);
  }

  /** All that there was has been taken: from now on it speaks. @returns alerts to write */
  begin({ wallMs }: Moment): AlertRecord[] {
    for (const { alert, subject } of this.book.firing())
      if (SILENCES.includes(alert)) this.presence.restore(alert as SilenceKind, subject);
    const sinceMs = wallMs - FORGOTTEN_AFTER_MS;
    return this.rules.speak((gpuUuid, newestMs) => this.presence.knows(gpuUuid) || newestMs >= sinceMs);
  }

  /** Looks for who fell silent, who is back, and who is no longer missed. @param topics sources that there are */
  look({ nowMs, wallMs }: Moment, topics: Iterable<string>, around: Surroundings): Findings {
    for (const topic of topics) this.presence.expect(topic, wallMs, nowMs);
    const forgotten = this.presence.forgetSilentBefore(nowMs - FORGOTTEN_AFTER_MS);
    const alerts = this.returns();
    for (const { gpuUuid, asOfMs } of forgotten) alerts.push(...this.rules.forget(gpuUuid, asOfMs));
    const silences = this.presence.judge(nowMs, around);
    for (const { alert, subject, gpuUuid, asOfMs, detail } of silences) {
      const record = this.book.set({
        ...{ alert, subject, gpu_uuid: gpuUuid, state: 'firing' as const },
        ...{ as_of: asOfMs, detail },
      });
      if (record !== null) alerts.push(record);
    }
    return { alerts, silences };
  }

  private returns(): AlertRecord[] {
    return this.presence.takeReturned().flatMap(({ alert, subject, gpuUuid, asOfMs }) => {
      const record = this.book.set({
        ...{ alert, subject, gpu_uuid: gpuUuid, state: 'resolved' as const },
        ...{ as_of: asOfMs, detail: 'reports again' },
      });
      return record === null ? [] : [record];
    });
  }
}
