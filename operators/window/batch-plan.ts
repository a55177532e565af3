import type { SampleBatch } from '../../schema/batch.js';
import { S, SERIES } from '../../schema/metrics.js';

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
  MemoryUtil,
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

const opBySeries = new Map<number, Op>([
  [S.gpuTemp, Op.GpuTemp],
  [S.memoryTemp, Op.MemoryTemp],
  [S.powerUsage, Op.Power],
  [S.smActive, Op.SmActive],
  [S.smOccupancy, Op.Mean],
  [S.gpuUtil, Op.Mean],
  [S.memoryUtil, Op.MemoryUtil],
  [S.throttleReasons, Op.Throttle],
  [S.eccSbeVol, Op.EccVolatile],
  [S.eccDbeVol, Op.EccVolatile],
  [S.eccSbeAgg, Op.EccAggregate],
  [S.eccDbeAgg, Op.EccAggregate],
  [S.remapCorrectable, Op.Remap],
  [S.remapUncorrectable, Op.Remap],
  [S.remapFailure, Op.RemapFailure],
  [S.pcieReplay, Op.PcieReplay],
  [S.xid, Op.Xid],
  [S.smClock, Op.SmClock],
]);

/**
 * Order in which a sample's series are folded. Inputs of memory_util go before used, which is evaluated by them, and
 * memory_util itself before both: where it arrives it is not derived.
 */
const FIRST = [S.memoryUtil, S.fbTotal, S.fbFree, S.fbReserved, S.fbUsed];

/** The columns of a batch that hold anything, with what is to be done with each. */
export class BatchPlan {
  readonly columns: Float64Array[] = [];
  readonly series: number[] = [];
  readonly ops: Op[] = [];
  length = 0;

  constructor(batch: SampleBatch) {
    for (const id of FIRST) this.add(batch, id);
    for (let id = 0; id < SERIES.length; id++) if (!(FIRST as readonly number[]).includes(id)) this.add(batch, id);
  }

  private add(batch: SampleBatch, id: number): void {
    const column = batch.columns[id];
    if (column === undefined) return;
    this.columns.push(column);
    this.series.push(id);
    this.ops.push(opOf(id));
    this.length++;
  }
}

function opOf(id: number): Op {
  if (id >= S.nvlinkFirst) return Op.Nvlink;
  if (SERIES[id].kind === 'input') return Op.Input;
  return opBySeries.get(id) ?? Op.Heard;
}
