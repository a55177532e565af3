import { S } from '../../schema/metrics.js';
import { C } from './carried.js';
import { Op, type PlannedColumn } from './batch-plan.js';
import {
  addToMean,
  addToMoments,
  foldEccVolatile,
  foldGpuTemp,
  foldMemoryTemp,
  foldPower,
  foldReading,
  foldSmActive,
  foldSmClock,
  foldThrottle,
} from './fold.js';
import { PANE } from './gpu-record.js';
import { P } from './pane-layout.js';

/**
 * Samples about which nothing is special: each of another GPU, newer than all that was heard of it, and of its open
 * hour. All their readings are accepted, so they are folded column by column: a loop a metric, over GPUs that do not
 * depend on each other, which a processor runs several times as fast as a jump for each reading.
 */
export class PlainRows {
  count = 0;
  /** Rows of the batch. */
  readonly rows: Int32Array;
  readonly slots: Int32Array;
  readonly ms: Float64Array;
  /** Where each GPU's record lies. */
  readonly states: Float64Array[] = [];
  readonly at: Int32Array;

  constructor(capacity: number) {
    this.rows = new Int32Array(capacity);
    this.slots = new Int32Array(capacity);
    this.ms = new Float64Array(capacity);
    this.at = new Int32Array(capacity);
  }

  add(row: number, slot: number, ms: number, state: Float64Array, at: number): void {
    const index = this.count++;
    this.rows[index] = row;
    this.slots[index] = slot;
    this.ms[index] = ms;
    this.states[index] = state;
    this.at[index] = at;
  }

  /**
   * Folds a column of the rows. The cases differ in the one call: a function passed in would not be inlined.
   * @param column neither framebuffer input nor NVLink counter
   */
  fold(column: PlannedColumn, gapMs: number, v2: boolean): void {
    const { count, rows, states, at: offsets, ms: times } = this;
    const { values, op, series, field } = column;
    const last = C.lastMs + series;
    switch (op) {
      case Op.Heard:
        for (let index = 0; index < count; index++) {
          const value = values[rows[index]];
          if (value === value) states[index][offsets[index] + last] = times[index];
        }
        return;
      case Op.Mean:
        for (let index = 0; index < count; index++) {
          const value = values[rows[index]];
          if (value !== value) continue;
          const state = states[index];
          const at = offsets[index];
          state[at + last] = times[index];
          addToMean(state, at + PANE + field, value);
        }
        return;
      case Op.Moments:
        for (let index = 0; index < count; index++) {
          const value = values[rows[index]];
          if (value !== value) continue;
          const state = states[index];
          const at = offsets[index];
          state[at + last] = times[index];
          addToMoments(state, at + PANE + field, value);
        }
        return;
      case Op.GpuTemp:
        for (let index = 0; index < count; index++) {
          const value = values[rows[index]];
          if (value !== value) continue;
          const state = states[index];
          const at = offsets[index];
          const before = state[at + last];
          state[at + last] = times[index];
          foldGpuTemp(state, at, times[index], before, value, gapMs, v2);
        }
        return;
      case Op.Power:
        for (let index = 0; index < count; index++) {
          const value = values[rows[index]];
          if (value !== value) continue;
          const state = states[index];
          const at = offsets[index];
          const before = state[at + last];
          state[at + last] = times[index];
          foldPower(state, at, times[index], before, value, gapMs, v2);
        }
        return;
      case Op.MemoryTemp:
        for (let index = 0; index < count; index++) {
          const value = values[rows[index]];
          if (value !== value) continue;
          const state = states[index];
          const at = offsets[index];
          state[at + last] = times[index];
          foldMemoryTemp(state, at, value);
        }
        return;
      case Op.SmActive:
        for (let index = 0; index < count; index++) {
          const value = values[rows[index]];
          if (value !== value) continue;
          const state = states[index];
          const at = offsets[index];
          state[at + last] = times[index];
          foldSmActive(state, at, times[index], value, v2);
        }
        return;
      case Op.SmClock:
        for (let index = 0; index < count; index++) {
          const value = values[rows[index]];
          if (value !== value) continue;
          const state = states[index];
          const at = offsets[index];
          state[at + last] = times[index];
          foldSmClock(state, at, times[index], value);
        }
        return;
      case Op.Throttle:
        for (let index = 0; index < count; index++) {
          const value = values[rows[index]];
          if (value !== value) continue;
          const state = states[index];
          const at = offsets[index];
          const before = state[at + last];
          state[at + last] = times[index];
          foldThrottle(state, at, times[index], before, value, gapMs);
        }
        return;
      case Op.EccVolatile: {
        const single = series === S.eccSbeVol;
        const errors = single ? P.eccSbe : P.eccDbe;
        const baseline = single ? C.eccSbeVol : C.eccDbeVol;
        const aggregate = single ? S.eccSbeAgg : S.eccDbeAgg;
        const added = single ? C.eccSbeAggAdded : C.eccDbeAggAdded;
        for (let index = 0; index < count; index++) {
          const value = values[rows[index]];
          if (value !== value) continue;
          const state = states[index];
          const at = offsets[index];
          state[at + last] = times[index];
          foldEccVolatile(state, at, times[index], value, errors, baseline, aggregate, added);
        }
        return;
      }
      default:
        for (let index = 0; index < count; index++) {
          const value = values[rows[index]];
          if (value !== value) continue;
          const state = states[index];
          const at = offsets[index];
          const before = state[at + last];
          state[at + last] = times[index];
          foldReading(column, state, at, times[index], before, value, gapMs, v2);
        }
    }
  }
}
