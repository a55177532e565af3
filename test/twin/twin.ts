import {
  DAY,
  HOUR,
  hourOf,
  hoursIn,
  least,
  levelJudge,
  mean,
  most,
  regression,
  residualJudge,
  std,
  sum,
  trend,
  type Numbers,
} from './arithmetic.js';
import { Pairs, Readings, type Reading, type Timed } from './columns.js';

/**
 * The slow twin: windows and features as docs/features.md words them, over plain arrays of readings, written apart
 * from the engine and sharing nothing with it but names. Whatever is asked for is computed from all readings anew.
 */

export interface TwinSample {
  readonly ms: number;
  /** By series name (schema/metrics.ts). */
  readonly readings: Readonly<Record<string, number>>;
}

export interface TwinFacts {
  readonly model?: string;
  readonly deploymentMs?: number;
  readonly purchaseMs?: number;
  readonly warrantyEndMs?: number;
  readonly recordedHours?: number;
  readonly recordedAtMs?: number;
}

/** Something that happened at a time; counted in the window by it. */
interface Event {
  readonly ms: number;
  readonly size: number;
}

const INPUTS = ['fb_used', 'fb_free', 'fb_reserved', 'fb_total'];
const LINKS = ['crc_flit', 'crc_data', 'replay', 'recovery'];
const metricOf = (series: string): string =>
  series.startsWith('nvlink_') ? 'nvlink_errors' : series.replace(/^(ecc_[sd]be)_(vol|agg)$/, '$1');

export class Twin {
  readonly rejects: string[] = [];
  private readonly accepted = new Map<string, Readings>();
  private readonly inputs = new Map<string, Readings>();
  private tempByPower = new Pairs();
  private clockByActivity = new Pairs();
  private readonly eventTimes = new Set<number>();
  firstMs = Infinity;
  newestMs = -Infinity;

  constructor(
    private readonly gapMs: number,
    private readonly facts: TwinFacts = {},
  ) {}

  get sampleCount(): number {
    return this.eventTimes.size;
  }

  // ---- Acceptance, in order of arrival

  offer(sample: TwinSample): void {
    const { ms, readings } = sample;
    // After 400 silent days it is a new GPU; one that was never heard has but its inputs to be silent since.
    const newestInputMs = Math.max(...INPUTS.map((series) => this.input(series).lastMs));
    const lastMs = this.eventTimes.size > 0 ? this.newestMs : newestInputMs;
    if (ms - lastMs > 400 * DAY) this.forget();
    const closed = ms < hourOf(this.newestMs);
    const refused: string[] = [];
    const refuse = (series: string, last: number): void => {
      refused.push(`${last === ms ? 'duplicate' : 'late'} ${metricOf(series)}`);
    };
    const fresh: string[] = [];
    let isInput = false;
    for (const series of Object.keys(readings)) {
      if (INPUTS.includes(series)) {
        isInput = true;
        continue;
      }
      const last = this.all(series).lastMs;
      if (closed || ms <= last) refuse(series, last);
      else {
        this.push(this.accepted, series, ms, readings[series]);
        fresh.push(series);
      }
    }
    let derived = false;
    if (isInput) {
      const usedBefore = this.input('fb_used').lastMs;
      for (const series of INPUTS)
        if (!closed && series in readings && ms > this.input(series).lastMs)
          this.push(this.inputs, series, ms, readings[series]);
      const isKnown = this.totalAt(ms) !== undefined;
      if ('fb_used' in readings && (closed || ms <= usedBefore) && isKnown)
        refuse('memory_util', this.memoryUtil().lastMs);
      derived = isKnown && this.input('fb_used').at(ms) !== undefined;
    }
    if (fresh.length > 0 || derived) {
      this.eventTimes.add(ms);
      this.firstMs = Math.min(this.firstMs, ms);
      this.newestMs = Math.max(this.newestMs, ms);
    }
    this.pair(fresh, ms, ['power_usage', 'gpu_temp'], this.tempByPower);
    this.pair(fresh, ms, ['sm_active', 'sm_clock'], this.clockByActivity);
    this.rejects.push(...new Set(refused));
  }

  private forget(): void {
    for (const all of [this.accepted, this.inputs, this.eventTimes]) all.clear();
    this.tempByPower = new Pairs();
    this.clockByActivity = new Pairs();
    this.firstMs = Infinity;
    this.newestMs = -Infinity;
  }

  /** A pair is formed where the later of two metrics arrives while the other's last reading bears the same time. */
  private pair(fresh: string[], ms: number, [x, y]: [string, string], pairs: Pairs): void {
    if (!fresh.includes(x) && !fresh.includes(y)) return;
    const [a, b] = [this.all(x), this.all(y)];
    if (a.lastMs === ms && b.lastMs === ms) pairs.push(ms, a.upTo(ms)!.value, b.upTo(ms)!.value);
  }

  private push(map: Map<string, Readings>, series: string, ms: number, value: number): void {
    let list = map.get(series);
    if (list === undefined) map.set(series, (list = new Readings()));
    list.push(ms, value);
  }

  private all(series: string): Readings {
    return this.accepted.get(series) ?? new Readings();
  }

  private input(series: string): Readings {
    return this.inputs.get(series) ?? new Readings();
  }

  private totalAt(ms: number): number | undefined {
    const given = this.input('fb_total').upTo(ms);
    if (given !== undefined) return given.value;
    const [used, free] = [this.input('fb_used'), this.input('fb_free')];
    for (let index = used.before(ms + 1) - 1; index >= 0; index--) {
      const both = free.at(used.ms[index]);
      if (both === undefined) continue;
      return used.values[index] + both + (this.input('fb_reserved').upTo(used.ms[index])?.value ?? 0);
    }
    return undefined;
  }

  private memoryUtil(): Readings {
    const direct = this.all('memory_util');
    if (direct.length > 0) return direct;
    const derived = new Readings();
    const { ms, values } = this.input('fb_used');
    for (let index = 0; index < ms.length; index++) {
      const total = this.totalAt(ms[index]);
      if (total !== undefined) derived.push(ms[index], (100 * values[index]) / total);
    }
    return derived;
  }

  // ---- Features

  /** @returns values by feature name, and for some the scale by which their tolerance of 1e-6 is meant */
  features(t: number): { values: Record<string, number>; scales: Record<string, number> } {
    const from = hourOf(t) - 167 * HOUR;
    const dayFrom = hourOf(t) - 23 * HOUR;
    const week = <T extends Timed>(list: T): T => list.since(from);
    const day = <T extends Timed>(list: T): T => list.since(dayFrom);
    const values: Record<string, number> = {};
    const scales: Record<string, number> = {};
    const set = (name: string, value: number, scale?: number): void => {
      values[name] = value;
      if (scale !== undefined) scales[name] = scale;
    };
    const spread = (name: string, list: Numbers): void => set(name, std(list), Math.max(std(list), mean(list)));
    const delta = (name: string, ofDay: number, ofWeek: number): void =>
      set(name, ofDay - ofWeek, Math.max(Math.abs(ofDay), Math.abs(ofWeek)));
    const total = (events: Event[], start: number): number =>
      sum(events.filter((event) => event.ms >= start).map((event) => event.size));
    const count = (events: Event[], present: boolean): number => (present ? total(events, from) : NaN);

    const temp = week(this.all('gpu_temp')).values;
    set('gpu_temp_mean', mean(temp));
    spread('gpu_temp_std', temp);
    set('gpu_temp_min', least(temp));
    set('gpu_temp_max', most(temp));
    set('gpu_temp_trend', trend(week(this.all('gpu_temp'))), mean(temp));
    const power = week(this.all('power_usage')).values;
    set('power_usage_mean', mean(power));
    spread('power_usage_std', power);
    set('power_usage_cv', std(power) / mean(power), Math.max(1, std(power) / mean(power)));
    const active = week(this.all('sm_active')).values;
    set('power_efficiency', mean(active) / mean(power));
    set('sm_active_mean', mean(active));
    spread('sm_active_std', active);
    set('sm_occupancy_mean', mean(week(this.all('sm_occupancy')).values));
    const memoryUtil = this.memoryUtil();
    const util = week(memoryUtil).values;
    set('memory_util_mean', mean(util));
    spread('memory_util_std', util);

    const masks = this.all('throttle_reasons');
    const masked = week(masks).length > 0;
    set('thermal_throttle_count', count(this.maskOnsets(masks, 0x60), masked));
    set('power_brake_count', count(this.maskOnsets(masks, 0x80), masked));
    set('sw_power_cap_count', count(this.maskOnsets(masks, 0x04), masked));
    set('throttle_duration_hours', count(this.throttled(masks, 0xe8), masked) / HOUR);
    set('throttle_readings', week(masks).length);

    for (const kind of ['sbe', 'dbe']) {
      const volatile = this.all(`ecc_${kind}_vol`);
      const counted = volatile.length > 0 ? volatile : this.all(`ecc_${kind}_agg`);
      set(`ecc_${kind}_event_count`, count(this.eccErrors(kind), counted.lastMs >= from));
      if (kind === 'sbe')
        set('ecc_sbe_24h_count', counted.lastMs >= dayFrom ? total(this.eccErrors(kind), dayFrom) : NaN);
    }
    set('temp_spike_count', this.spikes(this.all('gpu_temp'), from, levelJudge(this.all('gpu_temp'), 5)));
    set('power_anomaly_count', this.spikes(this.all('power_usage'), from, levelJudge(this.all('power_usage'), 50)));
    const pairs = this.tempByPower;
    set('thermal_residual_spike_count', this.spikes(pairs, from, residualJudge(pairs)));

    this.setAsset(set, t);

    delta('gpu_temp_mean_24h_delta', mean(day(this.all('gpu_temp')).values), mean(temp));
    delta('power_usage_mean_24h_delta', mean(day(this.all('power_usage')).values), mean(power));
    delta('memory_util_mean_24h_delta', mean(day(memoryUtil).values), mean(util));
    const memoryTemp = week(this.all('memory_temp')).values;
    set('memory_temp_mean', mean(memoryTemp));
    set('memory_temp_max', most(memoryTemp));
    const ofWeek = regression(week(pairs));
    const ofDay = regression(day(pairs));
    set('thermal_resistance', ofWeek.slope, ofWeek.scale);
    set('thermal_resistance_24h_delta', ofDay.slope - ofWeek.slope, Math.max(ofDay.scale, ofWeek.scale));

    const heard = this.newestMs >= from;
    const onsets = this.xidOnsets();
    const classes: [string, number[]][] = [
      ['hardware', [48, 62, 64, 74, 79, 95, 119, 120, 140, 143, 158]],
      ['precursor', [63, 92, 94]],
      ['application', [13, 31, 32, 43, 69]],
    ];
    for (const [name, codes] of classes)
      set(
        `xid_${name}_count`,
        heard ? onsets.filter((onset) => onset.ms >= from && codes.includes(onset.value)).length : NaN,
      );
    const hardware = onsets.filter((onset) => classes[0][1].includes(onset.value)).at(-1);
    set('hours_since_hardware_xid', hardware === undefined ? NaN : (t - hardware.ms) / HOUR);
    for (const kind of ['correctable', 'uncorrectable']) {
      const list = this.all(`remap_${kind}`);
      set(`remap_${kind}_count`, count(increments(list, false), week(list).length > 0));
      set(`remap_${kind}_total`, week(withoutMissingZeros(list)).values.at(-1) ?? NaN);
    }
    set('remap_failure', most(week(this.all('remap_failure')).values));
    const replays = this.all('pcie_replay');
    set('pcie_replay_count', count(increments(replays, true), week(replays).length > 0));
    const [nvlink, nvlinkPresent] = this.nvlinkErrors(from);
    set('nvlink_error_count', count(nvlink, nvlinkPresent));

    const clock = week(this.all('sm_clock')).values;
    set('sm_clock_mean', mean(clock));
    spread('sm_clock_std', clock);
    const loaded = (pairs: Pairs): number => mean(pairs.ys.filter((_, index) => pairs.xs[index] >= 50));
    delta('sm_clock_under_load_24h_delta', loaded(day(this.clockByActivity)), loaded(week(this.clockByActivity)));
    const performance = ['sm_clock', 'mem_clock', 'gpu_util', 'sm_active'];
    set('performance_heard', performance.some((series) => this.all(series).lastMs >= from) ? 1 : 0);
    this.setPresence(set, t, from);
    return { values, scales };
  }

  private maskOnsets({ ms, values }: Readings, bits: number): Event[] {
    const events: Event[] = [];
    for (let index = 0; index < ms.length; index++) {
      const known = index > 0 && ms[index] - ms[index - 1] <= this.gapMs;
      const set = known && (values[index - 1] & bits) !== 0;
      if ((values[index] & bits) !== 0 && !set) events.push({ ms: ms[index], size: 1 });
    }
    return events;
  }

  /** Times from readings with some of the bits to the next one each, ms. */
  private throttled({ ms, values }: Readings, bits: number): Event[] {
    const events: Event[] = [];
    for (let index = 1; index < ms.length; index++) {
      const step = ms[index] - ms[index - 1];
      if (step <= this.gapMs && (values[index - 1] & bits) !== 0) events.push({ ms: ms[index], size: step });
    }
    return events;
  }

  private eccErrors(kind: string): Event[] {
    const volatile = this.all(`ecc_${kind}_vol`);
    const aggregate = this.all(`ecc_${kind}_agg`).between(-Infinity, volatile.firstMs);
    return [...increments(aggregate, false), ...increments(volatile, true)];
  }

  private nvlinkErrors(from: number): [Event[], boolean] {
    const events: Event[] = [];
    let present = false;
    for (const counter of LINKS) {
      const links = [...this.accepted.keys()]
        .filter((name) => name.startsWith(`nvlink_${counter}_l`))
        .map((name) => this.all(name));
      const firstLink = Math.min(...links.map((link) => link.firstMs));
      const counting = [this.all(`nvlink_${counter}_total`).between(-Infinity, firstLink), ...links];
      for (const list of counting) for (const event of increments(list, true)) events.push(event);
      present ||= counting.some((list) => list.lastMs >= from);
    }
    return [events, present];
  }

  private xidOnsets(): Reading[] {
    const first = this.firstMs;
    const { ms, values } = this.all('xid');
    const onsets: Reading[] = [];
    for (const [index, value] of values.entries()) {
      const isNew = index > 0 ? value !== values[index - 1] : ms[index] - first > 300_000;
      if (value !== 0 && isNew) onsets.push({ ms: ms[index], value });
    }
    return onsets;
  }

  private spikes({ ms }: Timed, from: number, judge: (index: number) => boolean | undefined): number {
    let judged = 0;
    let onsets = 0;
    for (let index = 0; index < ms.length; index++) {
      if (ms[index] < from) continue;
      const verdict = judge(index);
      if (verdict === undefined) continue;
      judged++;
      if (!verdict) continue;
      const known = index > 0 && ms[index] - ms[index - 1] <= this.gapMs;
      if (!known || judge(index - 1) !== true) onsets++;
    }
    return judged > 0 ? onsets : NaN;
  }

  private setPresence(set: (name: string, value: number) => void, t: number, from: number): void {
    const times = Float64Array.from(this.eventTimes).sort();
    const hours = hoursIn(times.filter((ms) => ms >= from));
    set('hours_with_readings', hours);
    if (times.length === 0) return;
    const firstHour = Math.max(from, hourOf(times[0]));
    set('reporting_ratio', hours / ((hourOf(t) - firstHour) / HOUR + 1));
    const gaps: number[] = [];
    for (let index = 1; index < times.length; index++)
      if (times[index] >= from && times[index] - times[index - 1] > this.gapMs)
        gaps.push(times[index] - times[index - 1]);
    set('gap_count', gaps.length);
    set('longest_gap_hours', Math.max(0, ...gaps) / HOUR);
    set('silent_minutes', (t - times[times.length - 1]) / 60_000);
  }

  private setAsset(set: (name: string, value: number) => void, t: number): void {
    const { facts } = this;
    const inService = facts.deploymentMs ?? facts.purchaseMs ?? NaN;
    set('gpu_age_days', (t - inService) / DAY);
    set('warranty_remaining_days', ((facts.warrantyEndMs ?? NaN) - t) / DAY);
    const date = facts.recordedAtMs ?? inService;
    const recorded = facts.recordedHours ?? 0;
    const heard = new Set([...this.eventTimes].map(hourOf));
    const first = this.firstMs;
    // Closed hours: those before the hour of t.
    let start = hourOf(t);
    if (heard.size > 0) start = date <= first ? hourOf(first) : hourOf(t) - 167 * HOUR;
    let silent = 0;
    for (let hour = start; hour < hourOf(t); hour += HOUR)
      if (!heard.has(hour) && (date <= first || hour >= date)) silent++;
    set('total_operating_hours', Math.max(recorded, recorded + (t - date) / HOUR - silent));
    const words = facts.model?.split(/[^A-Za-z0-9]+/);
    set('model_a100', words === undefined ? NaN : Number(words.includes('A100')));
    set('model_h100', words === undefined ? NaN : Number(words.includes('H100')));
  }
}

/** Increments of a counter; a 0 after a positive value is a missing one. */
function increments(list: Readings, resetCounts: boolean): Event[] {
  const { ms, values } = withoutMissingZeros(list);
  const events: Event[] = [];
  for (let index = 1; index < ms.length; index++) {
    const [before, now] = [values[index - 1], values[index]];
    const fallen = resetCounts ? now : 0;
    const size = now >= before ? now - before : fallen;
    if (size > 0) events.push({ ms: ms[index], size });
  }
  return events;
}

function withoutMissingZeros({ ms, values }: Readings): Readings {
  const kept = new Readings();
  let positive = false;
  for (const [index, value] of values.entries()) {
    positive ||= value > 0;
    if (value > 0 || !positive) kept.push(ms[index], value);
  }
  return kept;
}
