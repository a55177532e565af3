import {
  FORGOTTEN_AFTER_MS,
  Presence,
  SILENT_AFTER_MS,
  type Silence,
  type SilenceKind,
  type Surroundings,
} from '../../operators/alerts/presence.js';
import { AlertBook, MODEL_REFUSED, type RuleKind, type RuleRecords } from '../../operators/alerts/rules.js';
import type { Config } from '../../schema/config.js';
import type { AlertRecord } from '../../schema/records.js';
import { RuleStage } from './rule-stage.js';

const SILENCES: readonly SilenceKind[] = ['detached', 'host_silent', 'gpu_silent', 'pipeline_silent'];
const isSilence = (alert: string): alert is SilenceKind => (SILENCES as readonly string[]).includes(alert);

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
  private readonly sources: ReadonlySet<string>;

  constructor(config: Pick<Config, 'alerts' | 'sources' | 'windows'>) {
    // windows.gapMs is set to at least 2.5 scrape intervals.
    this.presence = new Presence(config.windows.gapMs / 2.5);
    this.rules = new RuleStage(config, this.book);
    this.sources = new Set(config.sources.flatMap(({ topics }) => topics));
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
    const counts = new Map<string, number>([...SILENCES, ...this.rules.names, MODEL_REFUSED].map((name) => [name, 0]));
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
  begin(moment: Moment): AlertRecord[] {
    const { nowMs, wallMs } = moment;
    const alerts = this.book.firing().flatMap((fired) => {
      const over = this.takeOver(fired, moment);
      return over === null ? [] : (this.book.resolve(fired.alert, fired.subject, wallMs, over) ?? []);
    });
    alerts.push(...this.forget(nowMs));
    const sinceMs = wallMs - FORGOTTEN_AFTER_MS;
    const isThere = (gpuUuid: string, newestMs: number): boolean => this.presence.knows(gpuUuid) || newestMs >= sinceMs;
    alerts.push(...this.rules.speak(isThere));
    return alerts;
  }

  /** Looks for who fell silent, who is back, and who is no longer missed. @param topics sources that there are */
  look({ nowMs, wallMs }: Moment, topics: Iterable<string>, around: Surroundings): Findings {
    for (const topic of topics) this.presence.expect(topic, wallMs, nowMs);
    const over = this.forget(nowMs);
    const silences = this.presence.judge(nowMs, around);
    const told = silences.flatMap(
      ({ alert, subject, gpuUuid, asOfMs, detail }) =>
        this.book.fire({ alert, subject, gpu_uuid: gpuUuid, state: 'firing', as_of: asOfMs, detail }) ?? [],
    );
    return { alerts: [...over, ...told], silences };
  }

  /** Takes over what fires at the start. @returns why it is over with the start; null where it goes on */
  private takeOver({ alert, subject, gpu_uuid, as_of }: AlertRecord, { nowMs, wallMs }: Moment): string | null {
    if (!isSilence(alert))
      // What names no GPU is no rule's: another role says it, and takes it back.
      return gpu_uuid === null || this.rules.names.includes(alert) ? null : 'no rule any more';
    if (alert === 'pipeline_silent' && !this.sources.has(subject)) return 'no source any more';
    this.presence.restore(alert, subject, as_of - SILENT_AFTER_MS, nowMs, wallMs);
    return null;
  }

  /** Forgets who is no longer missed. @returns what is over with that, and with those who are back */
  private forget(nowMs: number): AlertRecord[] {
    const forgotten = this.presence.forgetSilentBefore(nowMs - FORGOTTEN_AFTER_MS);
    const returned = this.presence.takeReturned();
    return [
      ...returned.flatMap(
        ({ alert, subject, asOfMs, detail }) => this.book.resolve(alert, subject, asOfMs, detail) ?? [],
      ),
      ...forgotten.flatMap(({ gpuUuid, asOfMs }) => this.rules.forget(gpuUuid, asOfMs)),
    ];
  }
}
