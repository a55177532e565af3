import type { SampleBatch } from '../../schema/batch.js';
import { S, SERIES } from '../../schema/metrics.js';
import { P, type PaneSet } from './pane-layout.js';

/** How a series is folded; numbers, so that the loop over readings is one jump. */
export const enum Op {
  /** No pane field: only its order, and that the GPU was heard. */
  Heard,
  Mean,
  Moments,
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
  /** First pane field, where the operation is that of several series. */
  readonly field?: number;
  /** Folded only where feature set v2 is kept; else just heard. */
  readonly v2?: true;
}

const foldings = new Map<number, Folding>([
  [S.gpuTemp, { op: Op.GpuTemp }],
  [S.memoryTemp, { op: Op.MemoryTemp }],
  [S.powerUsage, { op: Op.Power }],
  [S.smActive, { op: Op.SmActive }],
  [S.smOccupancy, { op: Op.Mean, field: P.smOccupancy }],
  [S.gpuUtil, { op: Op.Mean, field: P.gpuUtil, v2: true }],
  [S.memoryUtil, { op: Op.Moments, field: P.memoryUtil }],
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
const FIRST = [S.memoryUtil, S.fbTotal, S.fbFree, S.fbReserved, S.fbUsed];

/** A column of a batch that holds anything, with what is to be done with it. */
export interface PlannedColumn {
  readonly values: Float64Array;
  readonly series: number;
  readonly op: Op;
  readonly field: number;
}

export class BatchPlan {
  readonly columns: PlannedColumn[] = [];
  /** Whether some column holds what is no reading by itself. */
  hasInputs = false;

  constructor(batch: SampleBatch, set: PaneSet) {
    for (const id of FIRST) this.add(batch, id, set);
    for (let id = 0; id < SERIES.length; id++) if (!(FIRST as readonly number[]).includes(id)) this.add(batch, id, set);
  }

  /** Whether a sample holds a reading, not only inputs. */
  hasReading(row: number): boolean {
    for (const { op, values } of this.columns) if (op !== Op.Input && values[row] === values[row]) return true;
    return false;
  }

  private add(batch: SampleBatch, series: number, set: PaneSet): void {
    const values = batch.columns[series];
    if (values === undefined) return;
    this.columns.push({ values, series, ...foldingOf(series, set) });
    if (SERIES[series].kind === 'input') this.hasInputs = true;
  }
}

function foldingOf(series: number, set: PaneSet): { op: Op; field: number } {
  if (series >= S.nvlinkFirst) return { op: Op.Nvlink, field: -1 };
  if (SERIES[series].kind === 'input') return { op: Op.Input, field: -1 };
  const { op, field = -1, v2 } = foldings.get(series) ?? { op: Op.Heard };
  return v2 === true && set === 'v1' ? { op: Op.Heard, field: -1 } : { op, field };
}
