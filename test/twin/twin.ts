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

interface Reading {
  readonly ms: number;
  readonly value: number;
}
interface Pair {
  readonly ms: number;
  readonly x: number;
  readonly y: number;
}
/** Something that happened at a time; counted in the window by it. */
interface Event {
  readonly ms: number;
  readonly size: number;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const INPUTS = ['fb_used', 'fb_free', 'fb_reserved', 'fb_total'];
const LINKS = ['crc_flit', 'crc_data', 'replay', 'recovery'];
const hourOf = (ms: number): number => Math.floor(ms / HOUR) * HOUR;
const metricOf = (series: string): string =>
  series.startsWith('nvlink_') ? 'nvlink_errors' : series.replace(/^(ecc_[sd]be)_(vol|agg)$/, '$1');

export class Twin {
  readonly rejects: string[] = [];
  private readonly accepted = new Map<string, Reading[]>();
  private readonly inputs = new Map<string, Reading[]>();
  private readonly tempByPower: Pair[] = [];
  private readonly clockByActivity: Pair[] = [];
  private readonly eventTimes = new Set<number>();

  constructor(
    private readonly gapMs: number,
    private readonly facts: TwinFacts = {},
  ) {}

  get newestMs(): number {
    return Math.max(...this.eventTimes);
  }

  get sampleCount(): number {
    return this.eventTimes.size;
  }

  // ---- Acceptance, in order of arrival

  offer(sample: TwinSample): void {
    const { ms, readings } = sample;
    // After 400 silent days it is a new GPU.
    if (this.eventTimes.size > 0 && ms - this.newestMs > 400 * DAY) this.forget();
    const newest = this.eventTimes.size === 0 ? -Infinity : this.newestMs;
    const closed = ms < hourOf(newest);
    const refused = new Set<string>();
    const refuse = (series: string, last: number | undefined): void => {
      refused.add(`${last === ms ? 'duplicate' : 'late'} ${metricOf(series)}`);
    };
    const fresh: string[] = [];
    for (const [series, value] of Object.entries(readings)) {
      if (INPUTS.includes(series)) continue;
      const last = this.all(series).at(-1)?.ms;
      if (closed || (last !== undefined && ms <= last)) refuse(series, last);
      else {
        this.push(this.accepted, series, { ms, value });
        fresh.push(series);
      }
    }
    const usedBefore = this.input('fb_used').at(-1)?.ms ?? -Infinity;
    if (!closed)
      for (const series of INPUTS)
        if (series in readings && ms > (this.input(series).at(-1)?.ms ?? -Infinity))
          this.push(this.inputs, series, { ms, value: readings[series] });
    if ('fb_used' in readings && (closed || ms <= usedBefore) && this.totalAt(ms) !== undefined)
      refuse('memory_util', this.memoryUtil().at(-1)?.ms);
    const used = this.input('fb_used').some((one) => one.ms === ms);
    const derived = used && INPUTS.some((series) => series in readings) && this.totalAt(ms) !== undefined;
    if (fresh.length > 0 || derived) this.eventTimes.add(ms);
    this.pair(fresh, ms, ['power_usage', 'gpu_temp'], this.tempByPower);
    this.pair(fresh, ms, ['sm_active', 'sm_clock'], this.clockByActivity);
    this.rejects.push(...refused);
  }

  private forget(): void {
    for (const all of [this.accepted, this.inputs, this.eventTimes]) all.clear();
    this.tempByPower.length = 0;
    this.clockByActivity.length = 0;
  }

  /** A pair is formed where the later of two metrics arrives while the other's last reading bears the same time. */
  private pair(fresh: string[], ms: number, [x, y]: [string, string], pairs: Pair[]): void {
    if (!fresh.includes(x) && !fresh.includes(y)) return;
    const [a, b] = [this.all(x).at(-1), this.all(y).at(-1)];
    if (a?.ms === ms && b?.ms === ms) pairs.push({ ms, x: a.value, y: b.value });
  }

  private push(map: Map<string, Reading[]>, series: string, reading: Reading): void {
    const list = map.get(series);
    if (list === undefined) map.set(series, [reading]);
    else list.push(reading);
  }

  private all(series: string): Reading[] {
    return this.accepted.get(series) ?? [];
  }

  private input(series: string): Reading[] {
    return this.inputs.get(series) ?? [];
  }

  private totalAt(ms: number): number | undefined {
    const upTo = (series: string): Reading[] => this.input(series).filter((one) => one.ms <= ms);
    const given = upTo('fb_total').at(-1);
    if (given !== undefined) return given.value;
    const free = new Map(this.input('fb_free').map((one) => [one.ms, one.value]));
    const used = upTo('fb_used')
      .filter((one) => free.has(one.ms))
      .at(-1);
    if (used === undefined) return undefined;
    const reserved = this.input('fb_reserved').filter((one) => one.ms <= used.ms);
    return used.value + free.get(used.ms)! + (reserved.at(-1)?.value ?? 0);
  }

  private memoryUtil(): Reading[] {
    const direct = this.all('memory_util');
    if (direct.length > 0) return direct;
    return this.input('fb_used').flatMap(({ ms, value }) => {
      const total = this.totalAt(ms);
      return total === undefined ? [] : [{ ms, value: (100 * value) / total }];
    });
  }

  // ---- Features

  /** @returns values by feature name, and for some the scale by which their tolerance of 1e-6 is meant */
  features(t: number): { values: Record<string, number>; scales: Record<string, number> } {
    const from = hourOf(t) - 167 * HOUR;
    const dayFrom = hourOf(t) - 23 * HOUR;
    const since =
      (start: number) =>
      <T extends { ms: number }>(list: T[]): T[] =>
        list.filter((one) => one.ms >= start);
    const week = since(from);
    const day = since(dayFrom);
    const values: Record<string, number> = {};
    const scales: Record<string, number> = {};
    const set = (name: string, value: number, scale?: number): void => {
      values[name] = value;
      if (scale !== undefined) scales[name] = scale;
    };
    const spread = (name: string, list: number[]): void => set(name, std(list), Math.max(std(list), mean(list)));
    const delta = (name: string, ofDay: number, ofWeek: number): void =>
      set(name, ofDay - ofWeek, Math.max(Math.abs(ofDay), Math.abs(ofWeek)));
    const numbers = (list: Reading[]): number[] => list.map((one) => one.value);
    const count = (events: Event[], present: boolean): number => (present ? sum(week(events).map((e) => e.size)) : NaN);

    const temp = numbers(week(this.all('gpu_temp')));
    set('gpu_temp_mean', mean(temp));
    spread('gpu_temp_std', temp);
    set('gpu_temp_min', temp.length > 0 ? Math.min(...temp) : NaN);
    set('gpu_temp_max', temp.length > 0 ? Math.max(...temp) : NaN);
    set('gpu_temp_trend', trend(week(this.all('gpu_temp'))), mean(temp));
    const power = numbers(week(this.all('power_usage')));
    set('power_usage_mean', mean(power));
    spread('power_usage_std', power);
    set('power_usage_cv', std(power) / mean(power), Math.max(1, std(power) / mean(power)));
    const active = numbers(week(this.all('sm_active')));
    set('power_efficiency', mean(active) / mean(power));
    set('sm_active_mean', mean(active));
    spread('sm_active_std', active);
    set('sm_occupancy_mean', mean(numbers(week(this.all('sm_occupancy')))));
    const util = numbers(week(this.memoryUtil()));
    set('memory_util_mean', mean(util));
    spread('memory_util_std', util);

    const masks = this.all('throttle_reasons');
    const masked = week(masks).length > 0;
    set('thermal_throttle_count', count(this.maskOnsets(masks, 0x60), masked));
    set('power_brake_count', count(this.maskOnsets(masks, 0x80), masked));
    set('sw_power_cap_count', count(this.maskOnsets(masks, 0x04), masked));
    const throttled = steps(masks).filter(
      ([a, b]) => b.ms - a.ms <= this.gapMs && (a.value & 0xe8) !== 0 && b.ms >= from,
    );
    set('throttle_duration_hours', masked ? sum(throttled.map(([a, b]) => b.ms - a.ms)) / HOUR : NaN);
    set('throttle_readings', week(masks).length);

    for (const kind of ['sbe', 'dbe']) {
      const volatile = this.all(`ecc_${kind}_vol`);
      const counted = volatile.length > 0 ? volatile : this.all(`ecc_${kind}_agg`);
      const present = (start: number): boolean => since(start)(counted).length > 0;
      set(`ecc_${kind}_event_count`, count(this.eccErrors(kind), present(from)));
      if (kind === 'sbe')
        set('ecc_sbe_24h_count', present(dayFrom) ? sum(day(this.eccErrors(kind)).map((e) => e.size)) : NaN);
    }
    set('temp_spike_count', this.spikes(this.all('gpu_temp'), from, levelJudge(this.all('gpu_temp'), 5)));
    set('power_anomaly_count', this.spikes(this.all('power_usage'), from, levelJudge(this.all('power_usage'), 50)));
    const pairs = this.tempByPower;
    set('thermal_residual_spike_count', this.spikes(pairs, from, residualJudge(pairs)));

    this.setAsset(set, t);

    delta('gpu_temp_mean_24h_delta', mean(numbers(day(this.all('gpu_temp')))), mean(temp));
    delta('power_usage_mean_24h_delta', mean(numbers(day(this.all('power_usage')))), mean(power));
    delta('memory_util_mean_24h_delta', mean(numbers(day(this.memoryUtil()))), mean(util));
    const memoryTemp = numbers(week(this.all('memory_temp')));
    set('memory_temp_mean', mean(memoryTemp));
    set('memory_temp_max', memoryTemp.length > 0 ? Math.max(...memoryTemp) : NaN);
    const ofWeek = regression(week(pairs));
    const ofDay = regression(day(pairs));
    set('thermal_resistance', ofWeek.slope, ofWeek.scale);
    set('thermal_resistance_24h_delta', ofDay.slope - ofWeek.slope, Math.max(ofDay.scale, ofWeek.scale));

    const heard = [...this.eventTimes].some((ms) => ms >= from);
    const onsets = this.xidOnsets();
    const classes: [string, number[]][] = [
      ['hardware', [48, 62, 64, 74, 79, 95, 119, 120, 140, 143, 158]],
      ['precursor', [63, 92, 94]],
      ['application', [13, 31, 32, 43, 69]],
    ];
    for (const [name, codes] of classes)
      set(`xid_${name}_count`, heard ? week(onsets).filter((onset) => codes.includes(onset.value)).length : NaN);
    const hardware = onsets.filter((onset) => classes[0][1].includes(onset.value)).at(-1);
    set('hours_since_hardware_xid', hardware === undefined ? NaN : (t - hardware.ms) / HOUR);
    for (const kind of ['correctable', 'uncorrectable']) {
      const list = this.all(`remap_${kind}`);
      set(`remap_${kind}_count`, count(increments(list, false), week(list).length > 0));
      set(`remap_${kind}_total`, week(withoutMissingZeros(list)).at(-1)?.value ?? NaN);
    }
    const failures = numbers(week(this.all('remap_failure')));
    set('remap_failure', failures.length > 0 ? Math.max(...failures) : NaN);
    const replays = this.all('pcie_replay');
    set('pcie_replay_count', count(increments(replays, true), week(replays).length > 0));
    const [nvlink, nvlinkPresent] = this.nvlinkErrors(from);
    set('nvlink_error_count', count(nvlink, nvlinkPresent));

    const clock = numbers(week(this.all('sm_clock')));
    set('sm_clock_mean', mean(clock));
    spread('sm_clock_std', clock);
    const loaded = this.clockByActivity.filter((pair) => pair.x >= 50);
    const clocks = (list: Pair[]): number => mean(list.map((pair) => pair.y));
    delta('sm_clock_under_load_24h_delta', clocks(day(loaded)), clocks(week(loaded)));
    const performance = ['sm_clock', 'mem_clock', 'gpu_util', 'sm_active'];
    set('performance_heard', performance.some((series) => week(this.all(series)).length > 0) ? 1 : 0);
    this.setPresence(set, t, from);
    return { values, scales };
  }

  private maskOnsets(masks: Reading[], bits: number): Event[] {
    return masks.flatMap((now, index) => {
      const before = masks[index - 1] as Reading | undefined;
      const known = before !== undefined && now.ms - before.ms <= this.gapMs;
      const set = known && (before.value & bits) !== 0;
      return (now.value & bits) !== 0 && !set ? [{ ms: now.ms, size: 1 }] : [];
    });
  }

  private eccErrors(kind: string): Event[] {
    const volatile = this.all(`ecc_${kind}_vol`);
    const firstVolatile = volatile[0]?.ms ?? Infinity;
    const aggregate = this.all(`ecc_${kind}_agg`).filter((one) => one.ms < firstVolatile);
    return [...increments(aggregate, false), ...increments(volatile, true)];
  }

  private nvlinkErrors(from: number): [Event[], boolean] {
    const events: Event[] = [];
    let present = false;
    for (const counter of LINKS) {
      const links = [...this.accepted.keys()].filter((name) => name.startsWith(`nvlink_${counter}_l`));
      const firstLink = Math.min(...links.map((name) => this.all(name)[0].ms));
      const total = this.all(`nvlink_${counter}_total`).filter((one) => one.ms < firstLink);
      events.push(...increments(total, true));
      for (const name of links) events.push(...increments(this.all(name), true));
      present ||= [total, ...links.map((name) => this.all(name))].flat().some((one) => one.ms >= from);
    }
    return [events, present];
  }

  private xidOnsets(): Reading[] {
    const first = Math.min(...this.eventTimes);
    return this.all('xid').filter((now, index, list) => {
      if (now.value === 0) return false;
      if (index > 0) return now.value !== list[index - 1].value;
      return now.ms - first > 300_000;
    });
  }

  private spikes<T extends { ms: number }>(list: T[], from: number, judge: (one: T) => boolean | undefined): number {
    const verdicts = list.map(judge);
    let judged = 0;
    let onsets = 0;
    for (const [index, verdict] of verdicts.entries()) {
      if (verdict === undefined || list[index].ms < from) continue;
      judged++;
      if (!verdict) continue;
      const known = index > 0 && list[index].ms - list[index - 1].ms <= this.gapMs;
      if (!known || verdicts[index - 1] !== true) onsets++;
    }
    return judged > 0 ? onsets : NaN;
  }

  private setPresence(set: (name: string, value: number) => void, t: number, from: number): void {
    const times = [...this.eventTimes].sort((a, b) => a - b);
    const hours = new Set(times.filter((ms) => ms >= from).map(hourOf));
    set('hours_with_readings', hours.size);
    if (times.length === 0) return;
    const firstHour = Math.max(from, hourOf(times[0]));
    set('reporting_ratio', hours.size / ((hourOf(t) - firstHour) / HOUR + 1));
    const gaps = times.flatMap((ms, index) =>
      index > 0 && ms >= from && ms - times[index - 1] > this.gapMs ? [ms - times[index - 1]] : [],
    );
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
    const first = Math.min(...this.eventTimes);
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
function increments(list: Reading[], resetCounts: boolean): Event[] {
  return steps(withoutMissingZeros(list)).map(([before, now]) => ({
    ms: now.ms,
    size: now.value >= before.value ? now.value - before.value : resetCounts ? now.value : 0,
  }));
}

function withoutMissingZeros(list: Reading[]): Reading[] {
  return list.filter((one, index) => one.value > 0 || !list.slice(0, index).some((before) => before.value > 0));
}

function steps<T>(list: T[]): [T, T][] {
  return list.slice(1).map((now, index) => [list[index], now]);
}

const sum = (list: number[]): number => list.reduce((total, value) => total + value, 0);
const mean = (list: number[]): number => (list.length > 0 ? sum(list) / list.length : NaN);

function std(list: number[]): number {
  if (list.length < 2) return NaN;
  const middle = mean(list);
  return Math.sqrt(sum(list.map((value) => (value - middle) ** 2)) / (list.length - 1));
}

function trend(list: Reading[]): number {
  const hours = new Map<number, number[]>();
  for (const { ms, value } of list) hours.set(hourOf(ms), [...(hours.get(hourOf(ms)) ?? []), value]);
  if (hours.size < 2) return NaN;
  const points = [...hours].map(([hour, values]) => ({
    x: (hour + HOUR / 2) / DAY,
    y: mean(values),
    w: values.length,
  }));
  const weight = sum(points.map((p) => p.w));
  const x = sum(points.map((p) => p.w * p.x)) / weight;
  const y = sum(points.map((p) => p.w * p.y)) / weight;
  return sum(points.map((p) => p.w * (p.x - x) * (p.y - y))) / sum(points.map((p) => p.w * (p.x - x) ** 2));
}

function regression(pairs: Pair[]): { slope: number; intercept: number; residualStd: number; scale: number } {
  const xs = pairs.map((pair) => pair.x);
  const ys = pairs.map((pair) => pair.y);
  if (!(std(xs) >= 5)) return { slope: NaN, intercept: NaN, residualStd: NaN, scale: NaN };
  const [x, y] = [mean(xs), mean(ys)];
  const slope = sum(pairs.map((p) => (p.x - x) * (p.y - y))) / sum(xs.map((value) => (value - x) ** 2));
  const intercept = y - slope * x;
  const residuals = pairs.map((p) => p.y - intercept - slope * p.x);
  return {
    slope,
    intercept,
    residualStd: Math.sqrt(sum(residuals.map((r) => r ** 2)) / (pairs.length - 1)),
    scale: y / std(xs),
  };
}

/** Baseline of an hour: what lies in the 167 hours before it, if 24 of them hold any. Kept by hour. */
function baselines<T extends { ms: number }, R>(list: T[], make: (before: T[]) => R): (ms: number) => R | undefined {
  const known = new Map<number, R | undefined>();
  return (ms) => {
    const hour = hourOf(ms);
    if (!known.has(hour)) {
      const before = list.filter((one) => one.ms >= hour - 167 * HOUR && one.ms < hour);
      known.set(hour, new Set(before.map((one) => hourOf(one.ms))).size < 24 ? undefined : make(before));
    }
    return known.get(hour);
  };
}

function levelJudge(list: Reading[], least: number): (one: Reading) => boolean | undefined {
  const baseline = baselines(list, (before) => {
    const values = before.map((one) => one.value);
    return { mean: mean(values), excess: Math.max(2 * std(values), least) };
  });
  return ({ ms, value }) => {
    const base = baseline(ms);
    return base === undefined ? undefined : value - base.mean - base.excess > 0.001;
  };
}

function residualJudge(list: Pair[]): (one: Pair) => boolean | undefined {
  const baseline = baselines(list, regression);
  return ({ ms, x, y }) => {
    const base = baseline(ms);
    if (base === undefined || Number.isNaN(base.slope)) return undefined;
    return y - (base.intercept + base.slope * x) - Math.max(2 * base.residualStd, 5) > 0.001;
  };
}
