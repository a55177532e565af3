import {
  AlertBook,
  judgeNeighbours,
  rulesOf,
  type Rule,
  type RuleKind,
  type RuleRecords,
} from '../../operators/alerts/rules.js';
import { FORGOTTEN_AFTER_MS, FORGOTTEN_DETAIL } from '../../operators/alerts/presence.js';
import { besideNeighbours } from '../../schema/neighbours.js';
import type { Config } from '../../schema/config.js';
import type { AlertRecord, DecisionRecord, FeaturesRecord } from '../../schema/records.js';

type AnyRecord = { [Kind in RuleKind]: { readonly kind: Kind; readonly record: RuleRecords[Kind] } }[RuleKind];

interface Held {
  readonly any: AnyRecord;
  /** The decision before; of other kinds none is kept. */
  readonly before: DecisionRecord | undefined;
}

/** Judges output records by the rules. Until it is told to speak it only takes over what there is. */
export class RuleStage {
  private readonly rules: readonly Rule[];
  private readonly hosts = new Map<string, string>();
  private readonly byHost = new Map<string, Set<string>>();
  private readonly features = new Map<string, FeaturesRecord>();
  private readonly decisions = new Map<string, DecisionRecord>();
  /** Newest record of each kind and GPU with the one before it, as long as nothing is said. */
  private held: Map<string, Held> | null = new Map();

  constructor(
    private readonly config: Pick<Config, 'alerts'>,
    private readonly book: AlertBook,
  ) {
    this.rules = rulesOf(config);
  }

  /** Names of all alerts of rules. */
  get names(): string[] {
    return [...this.rules.map(({ name }) => name), 'hot_beside_neighbours'];
  }

  /** Takes a record. @returns alerts to write */
  take<Kind extends RuleKind>(kind: Kind, record: RuleRecords[Kind]): AlertRecord[] {
    const any = { kind, record } as unknown as AnyRecord;
    if (any.kind === 'predictions' && any.record.host !== null) this.place(any.record.gpu_uuid, any.record.host);
    if (any.kind === 'features') this.features.set(any.record.gpu_uuid, any.record);
    const before = any.kind === 'decisions' ? this.decisions.get(record.gpu_uuid) : undefined;
    if (any.kind === 'decisions') this.decisions.set(record.gpu_uuid, any.record);
    if (this.held === null) return this.judge({ any, before });
    this.held.set(`${kind} ${record.gpu_uuid}`, { any, before });
    return [];
  }

  /**
   * From now on records are judged; what was taken before is, at once. The topics keep the last word on GPUs that left
   * the fleet while nobody watched: these are forgotten.
   * @param isThere of a GPU, and of the newest as_of among its records and alerts that fire, epoch ms
   * @returns alerts to write
   */
  speak(isThere: (gpuUuid: string, newestMs: number) => boolean): AlertRecord[] {
    const held = [...(this.held?.values() ?? [])];
    this.held = null;
    const newest = new Map<string, number>();
    const firing = this.book.firing().filter(({ alert }) => this.names.includes(alert));
    for (const { gpu_uuid, as_of } of [...held.map(({ any }) => any.record), ...firing])
      if (gpu_uuid !== null) newest.set(gpu_uuid, Math.max(as_of, newest.get(gpu_uuid) ?? -Infinity));
    const left = new Map([...newest].filter(([gpuUuid, newestMs]) => !isThere(gpuUuid, newestMs)));
    const found = held.filter(({ any }) => !left.has(any.record.gpu_uuid)).flatMap((record) => this.judge(record));
    for (const [gpuUuid, newestMs] of left) found.push(...this.forget(gpuUuid, newestMs + FORGOTTEN_AFTER_MS));
    return found;
  }

  /**
   * A GPU is no longer missed: what fires of it is resolved, and nothing more is kept.
   * @param asOfMs of the alerts that are resolved by that, epoch ms
   * @returns alerts to write
   */
  forget(gpuUuid: string, asOfMs: number): AlertRecord[] {
    this.displace(gpuUuid);
    for (const kept of [this.hosts, this.features, this.decisions]) kept.delete(gpuUuid);
    const resolved = this.names.flatMap((alert) => this.book.resolve(alert, gpuUuid, asOfMs, FORGOTTEN_DETAIL) ?? []);
    this.book.forget(this.names, gpuUuid);
    return resolved;
  }

  private judge({ any: { kind, record }, before }: Held): AlertRecord[] {
    const found: AlertRecord[] = [];
    const say = (alert: string, verdict: ReturnType<Rule['judge']>): void => {
      if (verdict === null) return;
      const written = this.book.set({
        alert,
        subject: record.gpu_uuid,
        gpu_uuid: record.gpu_uuid,
        state: verdict.fires ? 'firing' : 'resolved',
        as_of: record.as_of,
        detail: verdict.detail,
      });
      if (written !== null) found.push(written);
    };
    for (const rule of this.rules) if (rule.on === kind) say(rule.name, rule.judge(record, before));
    if (kind === 'features') {
      const beside = besideNeighbours(record, this.neighboursOf(record.gpu_uuid));
      if (beside !== null) say('hot_beside_neighbours', judgeNeighbours(beside, this.config));
    }
    return found;
  }

  private *neighboursOf(gpuUuid: string): Generator<FeaturesRecord> {
    for (const other of this.byHost.get(this.hosts.get(gpuUuid) ?? '') ?? []) {
      const features = other === gpuUuid ? undefined : this.features.get(other);
      if (features !== undefined) yield features;
    }
  }

  private place(gpuUuid: string, host: string): void {
    const before = this.hosts.get(gpuUuid);
    if (before === host) return;
    this.displace(gpuUuid);
    this.hosts.set(gpuUuid, host);
    const gpus = this.byHost.get(host);
    if (gpus === undefined) this.byHost.set(host, new Set([gpuUuid]));
    else gpus.add(gpuUuid);
  }

  /** Takes a GPU from among those of its host. */
  private displace(gpuUuid: string): void {
    const host = this.hosts.get(gpuUuid);
    const gpus = host === undefined ? undefined : this.byHost.get(host);
    gpus?.delete(gpuUuid);
    if (gpus?.size === 0) this.byHost.delete(host!);
  }
}
