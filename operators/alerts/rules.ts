import type { Neighbours } from '../../schema/neighbours.js';
import type { Config } from '../../schema/config.js';
import type {
  AlertRecord,
  DecisionRecord,
  FeaturesRecord,
  HealthRecord,
  PredictionRecord,
} from '../../schema/records.js';

/**
 * What is worth an alert about a GPU, beside its silence: one table, a rule a line. A rule reads one kind of record.
 * Between the bound at which it fires and the one at which it is resolved nothing changes: hysteresis.
 */

export interface RuleRecords {
  features: FeaturesRecord;
  predictions: PredictionRecord;
  health: HealthRecord;
  decisions: DecisionRecord;
}
export type RuleKind = keyof RuleRecords;

/** Says whether a record fires or resolves an alert; null: neither, it stays as it is. */
export interface Rule<Kind extends RuleKind = RuleKind> {
  readonly name: string;
  readonly on: Kind;
  /** @param before the GPU's record of that kind before this one, where there was one */
  readonly judge: (
    record: RuleRecords[Kind],
    before?: RuleRecords[Kind],
  ) => { readonly fires: boolean; readonly detail: string } | null;
}

const percent = (share: number): string => `${(100 * share).toPrecision(3)} %`;

/** Fires from a value on, is resolved below another; an absent value changes nothing. */
function bound(
  value: number | null | undefined,
  from: number,
  below: number,
  detail: string,
): ReturnType<Rule['judge']> {
  if (value === null || value === undefined) return null;
  if (value >= from) return { fires: true, detail };
  return value < below ? { fires: false, detail } : null;
}

/** A share of the bound at which an alert fires, below which it is resolved. */
const CLEAR_SHARE = 0.8;
/** A hardware XID is an alert for so long, h. */
const XID_HOURS = 24;

/** The rules that a configuration asks for. */
export function rulesOf({ alerts }: Pick<Config, 'alerts'>): Rule[] {
  // To act costs something each time; not to act costs the failure, if it comes. They are even at this probability.
  const risk = Math.min(1, alerts.actionHours / alerts.failureHours);
  const make = <Kind extends RuleKind>(name: string, on: Kind, judge: Rule<Kind>['judge']): Rule =>
    ({ name, on, judge }) as unknown as Rule;
  return [
    make('risk_high', 'predictions', ({ failure_prob_30d: p, predicted_failure_type: type }) =>
      bound(p, risk, CLEAR_SHARE * risk, `${percent(p)} within 30 days${type === null ? '' : `, ${type} most likely`}`),
    ),
    make('hardware_xid', 'features', ({ features }) => {
      const hours = features.hours_since_hardware_xid;
      if (hours === undefined) return null;
      const isRecent = hours !== null && hours < XID_HOURS;
      return { fires: isRecent, detail: isRecent ? 'an XID that means hardware in the last 24 h' : 'none for 24 h' };
    }),
    make('remap_failure', 'features', ({ features: { remap_failure: failed } }) =>
      bound(failed, 1, 1, failed === 1 ? 'a row remap failed: the board is to be replaced' : 'no failed row remap'),
    ),
    make('sustained_throttling', 'features', ({ features: { throttle_duration_hours: hours } }) =>
      bound(
        hours,
        alerts.throttleHours,
        CLEAR_SHARE * alerts.throttleHours,
        `clocks held down for ${(hours ?? NaN).toFixed(1)} h of the last seven days`,
      ),
    ),
    make('grade_drop', 'health', ({ grade, score }) => {
      if (grade === null || score === null) return null;
      const isLow = grade === 'degraded' || grade === 'poor' || grade === 'critical';
      return { fires: isLow, detail: `health ${score.toFixed(1)}, ${grade}` };
    }),
    // The first decision on a GPU is none that changed; a change is news until the next decision says the same.
    make('decision_change', 'decisions', ({ decision, rationale }, before) =>
      before === undefined
        ? null
        : { fires: decision !== before.decision, detail: `${decision}, before: ${before.decision}. ${rationale}` },
    ),
  ];
}

/** Whether a GPU is hot beside its neighbours; null: neither fires nor resolves. */
export function judgeNeighbours(
  { aboveCelsius, celsius }: Neighbours,
  { alerts }: Pick<Config, 'alerts'>,
): ReturnType<Rule['judge']> {
  const detail = `${celsius.toFixed(1)} °C, ${aboveCelsius.toFixed(1)} °C above the other GPUs of its host`;
  return bound(aboveCelsius, alerts.neighbourCelsius, CLEAR_SHARE * alerts.neighbourCelsius, detail);
}

/** A model was refused; its subject is where it came from. The score role says so: no record tells of it. */
export const MODEL_REFUSED = 'model_refused';

/** What is firing, by alert and subject. Repeats say nothing new, and what is older than what was said is passed over. */
export class AlertBook {
  private readonly last = new Map<string, AlertRecord>();

  /** Takes a record over as it stands in the topic. */
  restore(record: AlertRecord): void {
    const key = keyOf(record.alert, record.subject);
    const known = this.last.get(key);
    if (known === undefined || record.as_of >= known.as_of) this.last.set(key, record);
  }

  firing(): AlertRecord[] {
    return [...this.last.values()].filter(({ state }) => state === 'firing');
  }

  /**
   * Says what is so now whatever its event time, for clocks are set back and readings are held up on their way: as_of is
   * later than in the record before, by 1 ms where it would not be.
   * @returns the record to write; null where it fires already
   */
  fire(record: AlertRecord): AlertRecord | null {
    const known = this.last.get(keyOf(record.alert, record.subject));
    return this.set({ ...record, as_of: Math.max(record.as_of, (known?.as_of ?? -Infinity) + 1) });
  }

  /**
   * Says in the same way that it is over.
   * @param asOfMs epoch ms
   * @returns the record to write; null where it does not fire
   */
  resolve(alert: string, subject: string, asOfMs: number, detail: string): AlertRecord | null {
    const fired = this.last.get(keyOf(alert, subject));
    if (fired?.state !== 'firing') return null;
    return this.set({ ...fired, state: 'resolved', as_of: Math.max(asOfMs, fired.as_of + 1), detail });
  }

  /** Forgets what is resolved of these alerts of a subject. */
  forget(alerts: readonly string[], subject: string): void {
    for (const alert of alerts) {
      const key = keyOf(alert, subject);
      if (this.last.get(key)?.state === 'resolved') this.last.delete(key);
    }
  }

  /** @returns the record to write; null where there is nothing new to say */
  set(record: AlertRecord): AlertRecord | null {
    const key = keyOf(record.alert, record.subject);
    const known = this.last.get(key);
    if (known === undefined && record.state === 'resolved') return null;
    if (known !== undefined && known.as_of > record.as_of) return null;
    const isNews = known?.state !== record.state || (record.state === 'firing' && newsOf(record) !== newsOf(known));
    if (!isNews) return null;
    this.last.set(key, record);
    return record;
  }
}

/** Of what fires already: a decision that changes again is news, and so is another model that is refused. */
function newsOf({ alert, detail }: AlertRecord): string {
  if (alert === 'decision_change') return detail.split('.')[0];
  return alert === MODEL_REFUSED ? detail : '';
}

const keyOf = (alert: string, subject: string): string => `${alert}\0${subject}`;
