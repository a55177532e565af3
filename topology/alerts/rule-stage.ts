import {
  AlertBook,
  judgeNeighbours,
  rulesOf,
  type Rule,
  type RuleKind,
  type RuleRecords,
} from '../../operators/alerts/rules.js';
import { besideNeighbours } from '../../schema/neighbours.js';
import type { Config } from '../../schema/config.js';
import type { AlertRecord, FeaturesRecord } from '../../schema/records.js';

type AnyRecord = { [Kind in RuleKind]: { readonly kind: Kind; readonly record: RuleRecords[Kind] } }[RuleKind];

/** Judges output records by the rules. Until it is told to speak it only takes over what there is. */
export class RuleStage {
  private readonly rules: readonly Rule[];
  private readonly hosts = new Map<string, string>();
  private readonly byHost = new Map<string, Set<string>>();
  private readonly features = new Map<string, FeaturesRecord>();
  /** Newest record of each kind and GPU, as long as nothing is said. */
  private held: Map<string, AnyRecord> | null = new Map();

  constructor(
    private readonly config: Config,
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
    if (this.held === null) return this.judge(any);
    this.held.set(`${kind} ${record.gpu_uuid}`, any);
    return [];
  }

  /** From now on records are judged; what was taken before is, at once. @returns alerts to write */
  speak(): AlertRecord[] {
    const { held } = this;
    this.held = null;
    return [...(held?.values() ?? [])].flatMap((record) => this.judge(record));
  }

  private judge({ kind, record }: AnyRecord): AlertRecord[] {
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
    for (const rule of this.rules) if (rule.on === kind) say(rule.name, rule.judge(record));
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
    if (before !== undefined) this.byHost.get(before)?.delete(gpuUuid);
    this.hosts.set(gpuUuid, host);
    const gpus = this.byHost.get(host);
    if (gpus === undefined) this.byHost.set(host, new Set([gpuUuid]));
    else gpus.add(gpuUuid);
  }
}
