import type { SampleBatch } from '../../schema/batch.js';
import { S, SERIES } from '../../schema/metrics.js';
import { H } from './gpu-record.js';
import type { PaneSet } from './pane-layout.js';

/** How a series is folded; numbers, so that the loop over readings is one jump. */
export const enum Op {
  /** No field: only its order, and that the GPU was heard. */
  Heard,
  /** A sum. */
  Mean,
  /** Shift, sum and squares. */
  Level,
  GpuTemp,
  MemoryTemp,
  Power,
  SmActive,
  SmClock,
  Throttle,
  EccVolatile,
  EccAggregate,
  Remap,
  RemapFailure,
  PcieReplay,
  Xid,
  /** Framebuffer inputs come first: what follows sees their effect. */
  Input,
  Nvlink,
}

interface Folding {
  readonly op: Op;
  /** First field of the hot record, where the operation is that of several series. */
  readonly field?: number;
  /** Folded only where feature set v2 is kept; else just heard. */
  readonly v2?: true;
}

/** What plain-rows.ts does itself. */
const PLAIN: ReadonlySet<Op> = new Set([
  Op.Mean,
  Op.Level,
  Op.GpuTemp,
  Op.MemoryTemp,
  Op.Power,
  Op.SmActive,
  Op.SmClock,
  Op.Throttle,
  Op.EccVolatile,
  Op.PcieReplay,
]);

const foldings = new Map<number, Folding>([
  [S.gpuTemp, { op: Op.GpuTemp }],
  [S.memoryTemp, { op: Op.MemoryTemp }],
  [S.powerUsage, { op: Op.Power }],
  [S.smActive, { op: Op.SmActive }],
  [S.smOccupancy, { op: Op.Mean, field: H.smOccupancy }],
  [S.gpuUtil, { op: Op.Mean, field: H.gpuUtil, v2: true }],
  [S.memoryUtil, { op: Op.Level, field: H.memoryUtil }],
  [S.throttleReasons, { op: Op.Throttle }],
  [S.eccSbeVol, { op: Op.EccVolatile }],
  [S.eccDbeVol, { op: Op.EccVolatile }],
  [S.eccSbeAgg, { op: Op.EccAggregate }],
  [S.eccDbeAgg, { op: Op.EccAggregate }],
  [S.remapCorrectable, { op: Op.Remap }],
  [S.remapUncorrectable, { op: Op.Remap }],
  [S.remapFailure, { op: Op.RemapFailure }],
  [S.pcieReplay, { op: Op.PcieReplay, v2: true }],
  [S.xid, { op: Op.Xid }],
  [S.smClock, { op: Op.SmClock, v2: true }],
]);

/**
 * Order in which a sample's series are folded. Inputs of memory_util go before used, which is evaluated by them, and
 * memory_util itself before both: where it arrives it is not derived.
 */
const FIRST: readonly number[] = [S.memoryUtil, S.fbTotal, S.fbFree, S.fbReserved, S.fbUsed];
const ORDER = [...FIRST, ...SERIES.map((_, id) => id).filter((id) => !FIRST.includes(id))];

/** A column of a batch that holds anything, with what is to be done with it. */
export interface PlannedColumn {
  readonly values: Float64Array;
  readonly series: number;
  readonly op: Op;
  readonly field: number;
}

/** A column without any value; grows to the largest batch seen. */
let nothing = new Float64Array(0);

export class BatchPlan {
  /** What is folded reading by reading, in order. */
  readonly columns: PlannedColumn[] = [];
  /** Those of them that plain-rows.ts leaves to do. */
  readonly unusual: PlannedColumn[] = [];
  /** Whether some column holds what is no reading by itself. */
  hasInputs = false;
  /**
   * Series, as bits, that every sample has and plain-rows.ts does not look at; and by row those that some have, null if
   * there are none. NVLink's and inputs are never among them.
   */
  baseMask = 0;
  extraMask: Int32Array | null = null;

  constructor(
    private readonly batch: SampleBatch,
    set: PaneSet,
  ) {
    if (nothing.length < batch.count) nothing = new Float64Array(2 * batch.count).fill(NaN);
    for (const id of ORDER) this.add(id, set);
  }

  /** Column of a series; NaN where there is none. */
  values(series: number): Float64Array {
    return this.batch.columns[series] ?? nothing;
  }

  /** Whether a sample holds a reading, not only inputs. */
  hasReading(row: number): boolean {
    for (const { op, values } of this.columns) if (op !== Op.Input && values[row] === values[row]) return true;
    return false;
  }

  private add(series: number, set: PaneSet): void {
    const values = this.batch.columns[series];
    if (values === undefined) return;
    const column = { values, series, ...foldingOf(series, set) };
    this.columns.push(column);
    if (SERIES[series].kind === 'input') this.hasInputs = true;
    const isPlain = PLAIN.has(column.op) || column.op === Op.Heard;
    if (!isPlain) this.unusual.push(column);
    if (column.op !== Op.Input && column.op !== Op.Nvlink && !PLAIN.has(column.op)) this.addToMask(values, 1 << series);
  }

  private addToMask(values: Float64Array, bit: number): void {
    const { count } = this.batch;
    let row = 0;
    while (row < count && values[row] === values[row]) row++;
    if (row === count) {
      this.baseMask |= bit;
      return;
    }
    const mask = (this.extraMask ??= new Int32Array(count));
    for (row = 0; row < count; row++) if (values[row] === values[row]) mask[row] |= bit;
  }
}

function foldingOf(series: number, set: PaneSet): { op: Op; field: number } {
  if (series >= S.nvlinkFirst) return { op: Op.Nvlink, field: -1 };
  if (SERIES[series].kind === 'input') return { op: Op.Input, field: -1 };
  const { op, field = -1, v2 } = foldings.get(series) ?? { op: Op.Heard };
  return v2 === true && set === 'v1' ? { op: Op.Heard, field: -1 } : { op, field };
}
