import { describe, expect, it } from 'vitest';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../schema/clock.js';
import type { AlertRecord, PredictionRecord } from '../../schema/records.js';
import { prediction } from '../../test/fixtures/fleet-records.js';
import { Judging } from './judging.js';

const STEP_MS = 10_000;
const EPOCH = Date.UTC(2026, 5, 1);
const WEEK_MS = 7 * DAY_MS;
type Configuration = ConstructorParameters<typeof Judging>[0];
const configured = (more: Partial<Configuration['alerts']> = {}, topics = ['t', 't2']): Configuration =>
  ({
    windows: { gapMs: 300_000 },
    sources: [{ topics }],
    alerts: { actionHours: 12, failureHours: 120, throttleHours: 8, neighbourCelsius: 10, ...more },
  }) as unknown as Configuration;

/** A fleet, its topics, and a watch that comes and goes; a clock that goes forward starts anew with each watch. */
class Fleet {
  readonly gpus = new Map<string, { host: string | null; topic: string }>();
  /** GPUs that do not report. */
  readonly silent = new Set<string>();
  readonly predictions = new Map<string, PredictionRecord>();
  readonly newest = new Map<string, number>();
  readonly written: AlertRecord[] = [];
  wallMs = EPOCH;
  isExpected = false;
  private judging: Judging | null = null;
  private startedMs = 0;

  constructor(...hosts: readonly string[]) {
    for (const host of hosts) for (const gpu of [0, 1]) this.gpus.set(`${host}-${gpu}`, { host, topic: 't' });
    this.watch();
  }

  /** A watch starts. @returns what it says at that */
  watch(config = configured()): string[] {
    this.startedMs = this.wallMs;
    this.judging = new Judging(config);
    for (const record of this.predictions.values()) this.judging.take('predictions', record, this.moment);
    for (const record of this.written) this.judging.told(record);
    return this.say(this.judging.begin(this.moment));
  }

  /** Nobody watches; those that report go on. */
  unwatched(ms: number): void {
    this.judging = null;
    this.skip(ms);
  }

  /** A time of which only its end is looked at. */
  skip(ms: number): void {
    this.wallMs += ms;
    for (const gpu of this.gpus.keys()) if (!this.silent.has(gpu)) this.report(gpu, this.wallMs);
  }

  pass(ms: number): string[] {
    const said: string[] = [];
    for (const end = this.wallMs + ms; this.wallMs < end; this.wallMs += STEP_MS) {
      for (const gpu of this.gpus.keys()) if (!this.silent.has(gpu)) this.report(gpu, this.wallMs);
      said.push(...this.look());
    }
    return said;
  }

  look(): string[] {
    const around = { currentSince: () => -Infinity, isExpected: () => this.isExpected };
    return this.say(this.judging!.look(this.moment, [], around).alerts);
  }

  report(uuid: string, eventMs: number): void {
    const { host, topic } = this.gpus.get(uuid)!;
    this.newest.set(uuid, eventMs);
    this.predictions.set(uuid, prediction(uuid, { host, failure_prob_30d: 0.01 }, eventMs));
    this.judging?.heard(uuid, host, topic, 0, eventMs, this.moment.nowMs);
  }

  predict(uuid: string, failure_prob_30d: number): string[] {
    const record = prediction(uuid, { host: this.gpus.get(uuid)!.host, failure_prob_30d }, this.newest.get(uuid));
    this.predictions.set(uuid, record);
    return this.say(this.judging!.take('predictions', record, this.moment));
  }

  get last(): AlertRecord {
    return this.written.at(-1)!;
  }

  get firing(): string[] {
    const last = new Map(this.written.map((record) => [`${record.alert} ${record.subject}`, record.state]));
    return [...last].filter(([, state]) => state === 'firing').map(([name]) => name);
  }

  private say(alerts: readonly AlertRecord[]): string[] {
    this.written.push(...alerts);
    return alerts.map(({ alert, subject, state }) => `${alert} ${subject} ${state}`);
  }

  private get moment(): { nowMs: number; wallMs: number } {
    return { nowMs: this.wallMs - this.startedMs, wallMs: this.wallMs };
  }
}

/** A fleet of which a GPU was told silent. */
function detached(): Fleet {
  const fleet = new Fleet('h1', 'h2');
  expect(fleet.pass(MINUTE_MS)).toEqual([]);
  fleet.silent.add('h1-0');
  expect(fleet.pass(2 * MINUTE_MS)).toEqual(['detached h1-0 firing']);
  return fleet;
}

/** A fleet of which a host was told silent. */
function hostSilent(): Fleet {
  const fleet = new Fleet('h1', 'h2');
  fleet.pass(MINUTE_MS);
  fleet.silent.add('h1-0').add('h1-1');
  expect(fleet.pass(2 * MINUTE_MS)).toEqual(['host_silent h1 firing']);
  return fleet;
}

describe('an alert of a silent GPU', () => {
  it('goes on where nobody watched for an hour, and ends with its next reading', () => {
    const fleet = detached();
    fleet.unwatched(HOUR_MS);
    expect([...fleet.watch(), ...fleet.pass(10 * MINUTE_MS)]).toEqual([]);
    fleet.silent.clear();
    const backMs = fleet.wallMs;
    expect(fleet.pass(STEP_MS)).toEqual(['detached h1-0 resolved']);
    expect(fleet.last).toMatchObject({ gpu_uuid: 'h1-0', as_of: backMs, detail: 'reports again' });
  });

  it('is resolved at the start where nobody watched until it was no longer missed, as in a watch that went on', () => {
    const fleet = detached();
    const newestMs = fleet.newest.get('h1-0')!;
    fleet.unwatched(8 * DAY_MS);
    expect([...fleet.watch(), ...fleet.look()]).toEqual(['detached h1-0 resolved']);
    const overDue = { gpu_uuid: 'h1-0', as_of: newestMs + WEEK_MS, detail: 'not heard of for seven days' };
    expect(fleet.last).toMatchObject(overDue);
    expect(fleet.pass(10 * MINUTE_MS)).toEqual([]);

    const watched = detached();
    watched.skip(8 * DAY_MS);
    expect(watched.look()).toEqual(['detached h1-0 resolved']);
    expect(watched.last).toEqual(fleet.last);
    for (const each of [fleet, watched]) {
      each.silent.clear();
      expect(each.pass(MINUTE_MS)).toEqual([]);
      each.silent.add('h1-0');
      expect(each.pass(2 * MINUTE_MS)).toEqual(['detached h1-0 firing']);
    }
  });

  it('lasts seven days however often the watch began anew, and rules that fire of it no longer', () => {
    const fleet = detached();
    fleet.predict('h1-0', 0.9);
    for (let day = 1; day <= 6; day++) {
      fleet.unwatched(DAY_MS);
      expect(fleet.watch()).toEqual([]);
    }
    fleet.skip(DAY_MS);
    expect(fleet.look()).toEqual(['detached h1-0 resolved', 'risk_high h1-0 resolved']);
    expect(fleet.firing).toEqual([]);
  });

  it('ends at the start with the first reading of one that came back meanwhile', () => {
    const fleet = detached();
    fleet.silent.clear();
    fleet.unwatched(HOUR_MS);
    expect([...fleet.watch(), ...fleet.pass(STEP_MS)]).toEqual(['detached h1-0 resolved']);
    expect(fleet.pass(10 * MINUTE_MS)).toEqual([]);
  });

  it('ends after it began, also where readings come late that were held up on their way', () => {
    const fleet = detached();
    const { as_of } = fleet.last;
    fleet.silent.clear();
    fleet.report('h1-0', as_of - 20_000);
    expect(fleet.look()).toEqual(['detached h1-0 resolved']);
    expect(fleet.last.as_of).toBeGreaterThan(as_of);
    expect(fleet.pass(10 * MINUTE_MS)).toEqual([]);
  });

  it('is told again of one whose clock was set back', () => {
    const fleet = detached();
    const { as_of } = fleet.last;
    // Of all that it sends until it falls silent again nothing is newer than what was known.
    for (let step = 0; step < 6; step++, fleet.wallMs += STEP_MS) {
      fleet.report('h1-0', as_of - HOUR_MS + step * STEP_MS);
      for (const gpu of ['h1-1', 'h2-0', 'h2-1']) fleet.report(gpu, fleet.wallMs);
      fleet.look();
    }
    expect(fleet.firing).toEqual([]);
    expect(fleet.pass(5 * MINUTE_MS)).toEqual(['detached h1-0 firing']);
    expect(fleet.written.map((record) => record.as_of)).toEqual([as_of, as_of + 1, as_of + 2]);
  });

  it('is of one that was never predicted too: it goes on, and ends with its next reading', () => {
    const fleet = detached();
    fleet.predictions.delete('h1-0');
    fleet.unwatched(HOUR_MS);
    expect([...fleet.watch(), ...fleet.pass(10 * MINUTE_MS)]).toEqual([]);
    fleet.silent.clear();
    expect(fleet.pass(STEP_MS)).toEqual(['detached h1-0 resolved']);
  });

  it('goes on in maintenance, over a restart too, and nothing else is told of it then', () => {
    const fleet = detached();
    fleet.isExpected = true;
    fleet.silent.add('h1-1');
    fleet.unwatched(HOUR_MS);
    expect([...fleet.watch(), ...fleet.pass(HOUR_MS)]).toEqual([]);
    fleet.silent.delete('h1-0');
    expect(fleet.pass(STEP_MS)).toEqual(['detached h1-0 resolved']);
    fleet.isExpected = false;
    expect(fleet.pass(10 * MINUTE_MS)).toEqual(['detached h1-1 firing']);
  });
});

describe('an alert of a silent host', () => {
  it('goes on where nobody watched for an hour, and ends with its first GPU', () => {
    const fleet = hostSilent();
    fleet.unwatched(HOUR_MS);
    expect([...fleet.watch(), ...fleet.pass(10 * MINUTE_MS)]).toEqual([]);
    fleet.silent.delete('h1-1');
    expect(fleet.pass(STEP_MS)).toEqual(['host_silent h1 resolved']);
  });

  it('is resolved at the start where nobody watched until its GPUs were no longer missed', () => {
    const fleet = hostSilent();
    const newestMs = fleet.newest.get('h1-0')!;
    fleet.unwatched(8 * DAY_MS);
    expect([...fleet.watch(), ...fleet.look()]).toEqual(['host_silent h1 resolved']);
    expect(fleet.last).toMatchObject({ gpu_uuid: null, as_of: newestMs + WEEK_MS });
    const watched = hostSilent();
    watched.skip(8 * DAY_MS);
    expect(watched.look()).toEqual(['host_silent h1 resolved']);
    expect(watched.last).toEqual(fleet.last);
  });

  it.each(['watched', 'unwatched'])('ends when its GPUs report from another host, %s', (how) => {
    const fleet = hostSilent();
    for (const gpu of ['h1-0', 'h1-1']) fleet.gpus.set(gpu, { host: 'h3', topic: 't' });
    if (how === 'unwatched') fleet.unwatched(HOUR_MS);
    fleet.silent.clear();
    const movedMs = fleet.wallMs;
    for (const gpu of fleet.gpus.keys()) fleet.report(gpu, fleet.wallMs);
    if (how === 'unwatched') expect(fleet.watch()).toEqual(['host_silent h1 resolved']);
    else expect(fleet.look()).toEqual(['host_silent h1 resolved']);
    expect(fleet.last).toMatchObject({ as_of: movedMs, detail: 'no GPU is known of it any more' });
    expect(fleet.pass(10 * MINUTE_MS)).toEqual([]);
  });
});

describe('an alert of a silent source', () => {
  const sourceSilent = (): Fleet => {
    const fleet = new Fleet('h1');
    fleet.gpus.set('h2-0', { host: 'h2', topic: 't2' });
    fleet.pass(MINUTE_MS);
    fleet.silent.add('h2-0');
    expect(fleet.pass(2 * MINUTE_MS)).toEqual(['pipeline_silent t2 firing']);
    return fleet;
  };

  it('goes on as long as it is a source, however long that takes', () => {
    const fleet = sourceSilent();
    fleet.unwatched(8 * DAY_MS);
    expect([...fleet.watch(), ...fleet.pass(HOUR_MS)]).toEqual([]);
    fleet.silent.clear();
    expect(fleet.pass(STEP_MS)).toEqual(['pipeline_silent t2 resolved']);
  });

  it('is resolved at the start where it was taken out of the sources, and no GPU waits for it', () => {
    const fleet = sourceSilent();
    fleet.unwatched(8 * DAY_MS);
    expect(fleet.watch(configured({}, ['t']))).toEqual(['pipeline_silent t2 resolved']);
    expect(fleet.last).toMatchObject({ as_of: fleet.wallMs, detail: 'no source any more' });
    fleet.silent.add('h1-0');
    expect(fleet.pass(10 * MINUTE_MS)).toEqual(['detached h1-0 firing']);
  });
});

describe('an alert of a rule', () => {
  const risky = (): Fleet => {
    const fleet = new Fleet('h1', 'h2');
    fleet.pass(MINUTE_MS);
    expect(fleet.predict('h1-0', 0.5)).toEqual(['risk_high h1-0 firing']);
    return fleet;
  };

  it('is judged anew at a start with other bounds', () => {
    const fleet = risky();
    // Between the bounds of firing and resolving it stays.
    expect(fleet.watch(configured({ actionHours: 66 }))).toEqual([]);
    expect(fleet.watch(configured({ actionHours: 90 }))).toEqual(['risk_high h1-0 resolved']);
    expect(fleet.watch(configured({ actionHours: 48 }))).toEqual(['risk_high h1-0 firing']);
  });

  it('is resolved at the start where there is no such rule any more, and what is no rule is left as it is', () => {
    const fleet = risky();
    const of = { state: 'firing' as const, as_of: EPOCH, detail: '' };
    fleet.written.push({ ...of, alert: 'risk_renamed', subject: 'h1-0', gpu_uuid: 'h1-0' });
    fleet.written.push({ ...of, alert: 'model_refused', subject: 'models/champion', gpu_uuid: null });
    expect(fleet.watch()).toEqual(['risk_renamed h1-0 resolved']);
    expect(fleet.last).toMatchObject({ gpu_uuid: 'h1-0', as_of: fleet.wallMs, detail: 'no rule any more' });
    expect(fleet.firing).toEqual(['risk_high h1-0', 'model_refused models/champion']);
  });

  it('is resolved of a GPU of which no record is left', () => {
    const fleet = risky();
    const { as_of } = fleet.last;
    fleet.silent.add('h1-0');
    fleet.unwatched(8 * DAY_MS);
    fleet.predictions.delete('h1-0');
    expect(fleet.watch()).toEqual(['risk_high h1-0 resolved']);
    expect(fleet.last.as_of).toBe(as_of + WEEK_MS);
  });
});
