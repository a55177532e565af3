import type { Clock } from '../schema/clock.js';
import type { FeaturesRecord } from '../schema/records.js';
import { FleetOrder, type Order, type Position, type Sort } from './fleet-order.js';
import { totalsOf, type FleetTotals } from './fleet-totals.js';
import {
  emptyState,
  LATEST_KINDS,
  type GpuState,
  type LatestKind,
  type RecordKind,
  type RecordOf,
} from './gpu-state.js';
import { HourlyHistory } from './hourly-history.js';

/** Up to so many GPUs an order is rebuilt for any request that finds it outdated: some milliseconds (10,000 take 15). */
const REBUILD_EACH_REQUEST_UP_TO = 5_000;
/** Above that, a changing fleet's order may be this old, so that requests do not sort all day. */
const MAX_AGE_MS = 1_000;

interface Built<T> {
  readonly value: T;
  readonly version: number;
  readonly atMs: number;
}

/**
 * The latest records of every GPU, in memory: what the HTTP API answers from. Fed record by record in any order
 * between partitions; of each kind the newest `as_of` wins, so reading a topic again changes nothing.
 */
export class FleetView {
  private readonly states = new Map<string, GpuState>();
  private readonly byHost = new Map<string, Set<string>>();
  private readonly orders = new Map<string, Built<FleetOrder>>();
  private totalsBuilt: Built<FleetTotals> | undefined;
  private version = 0;
  private readonly watchers = new Set<(gpuUuid: string) => void>();

  constructor(private readonly clock: Clock) {}

  get size(): number {
    return this.states.size;
  }

  /**
   * Takes a record over.
   * @returns false where a newer one of its kind is there already
   */
  apply<Kind extends RecordKind>(kind: Kind, record: RecordOf[Kind]): boolean {
    const state = this.stateOf(record.gpu_uuid);
    const taken = take(state, { kind, record } as AnyRecord);
    if (taken) this.changed(record.gpu_uuid);
    return taken;
  }

  /** What telemetry says of a GPU besides readings; a field that is left out or null changes nothing. */
  observe(gpuUuid: string, facts: { readonly model?: string | null; readonly host?: string | null }): void {
    const state = this.stateOf(gpuUuid);
    const model = facts.model ?? state.observedModel;
    const host = facts.host ?? state.host;
    if (model === state.observedModel && host === state.host) return;
    state.observedModel = model;
    this.place(state, host);
    this.changed(gpuUuid);
  }

  /** The record was deleted from its topic. A GPU of which nothing is left is unknown again. */
  forget(kind: LatestKind | 'assets', gpuUuid: string): void {
    const state = this.states.get(gpuUuid);
    if (state === undefined) return;
    if (kind === 'assets') state.asset = null;
    else state[kind] = null;
    const isEmpty =
      state.asset === null && state.history === null && LATEST_KINDS.every((each) => state[each] === null);
    if (isEmpty) {
      this.place(state, null);
      this.states.delete(gpuUuid);
    }
    this.changed(gpuUuid);
  }

  /** What is known of a GPU; undefined if nothing ever was. */
  get(gpuUuid: string): Readonly<GpuState> | undefined {
    return this.states.get(gpuUuid);
  }

  /** Features of the other GPUs of a GPU's host. */
  *neighboursOf(state: Readonly<GpuState>): Generator<FeaturesRecord> {
    for (const uuid of state.host === null ? [] : (this.byHost.get(state.host) ?? [])) {
      const features = uuid === state.gpuUuid ? null : this.states.get(uuid)?.features;
      if (features !== null && features !== undefined) yield features;
    }
  }

  /**
   * A page of the fleet in an order.
   * @param after null for the first page, else what `next` of the page before said
   */
  page(sort: Sort, order: Order, after: Position | null, limit: number): ReturnType<FleetOrder['page']> {
    const name = `${sort} ${order}`;
    const built = this.upToDate(this.orders.get(name), () => new FleetOrder(this.states.values(), sort, order));
    this.orders.set(name, built);
    return built.value.page(after, limit);
  }

  totals(): FleetTotals {
    this.totalsBuilt = this.upToDate(this.totalsBuilt, () => totalsOf(this.states.values()));
    return this.totalsBuilt.value;
  }

  /** Calls back with each GPU that changed, until the returned function is called. */
  watch(onChange: (gpuUuid: string) => void): () => void {
    this.watchers.add(onChange);
    return () => this.watchers.delete(onChange);
  }

  private place(state: GpuState, host: string | null): void {
    if (state.host !== null) this.byHost.get(state.host)?.delete(state.gpuUuid);
    state.host = host;
    if (host === null) return;
    const gpus = this.byHost.get(host);
    if (gpus === undefined) this.byHost.set(host, new Set([state.gpuUuid]));
    else gpus.add(state.gpuUuid);
  }

  private stateOf(gpuUuid: string): GpuState {
    let state = this.states.get(gpuUuid);
    if (state === undefined) {
      state = emptyState(gpuUuid);
      this.states.set(gpuUuid, state);
    }
    return state;
  }

  private changed(gpuUuid: string): void {
    this.version++;
    for (const watcher of this.watchers) watcher(gpuUuid);
  }

  private upToDate<T>(built: Built<T> | undefined, build: () => T): Built<T> {
    const now = this.clock.now();
    if (built !== undefined) {
      const mayWait = this.states.size > REBUILD_EACH_REQUEST_UP_TO && Math.abs(now - built.atMs) < MAX_AGE_MS;
      if (built.version === this.version || mayWait) return built;
    }
    return { value: build(), version: this.version, atMs: now };
  }
}

type AnyRecord = { [Kind in RecordKind]: { readonly kind: Kind; readonly record: RecordOf[Kind] } }[RecordKind];

function take(state: GpuState, given: AnyRecord): boolean {
  switch (given.kind) {
    case 'features':
      return !isOlder(given.record, state.features) && ((state.features = given.record), true);
    case 'predictions':
      return !isOlder(given.record, state.predictions) && ((state.predictions = given.record), true);
    case 'health':
      return !isOlder(given.record, state.health) && ((state.health = given.record), true);
    case 'decisions':
      return !isOlder(given.record, state.decisions) && ((state.decisions = given.record), true);
    case 'assets':
      // The register has no as_of: what its topic says last is what holds.
      state.asset = given.record;
      return true;
    case 'panes':
      state.history ??= new HourlyHistory();
      state.history.set(given.record.hour_start, mean(given.record.gpu_temp_mean), mean(given.record.power_usage_mean));
      return true;
  }
}

function isOlder(record: { readonly as_of: number }, known: { readonly as_of: number } | null): boolean {
  return known !== null && record.as_of < known.as_of;
}

function mean(value: number | string | null | undefined): number {
  return typeof value === 'number' ? value : NaN;
}
