import type { Chunk } from './chunk.js';
import { GpuCursor, type GpuRecord } from './gpu-record.js';

/** Where the state of one GPU lies; valid until another one's is asked for. */
export interface SlotState {
  readonly slot: number;
  readonly chunk: Chunk;
  readonly local: number;
  /** Settled. */
  readonly gpu: GpuRecord;
}

/** The GPU that is worked on: one object for all of them, so that none is made for a reading. */
export class AtHand implements SlotState {
  readonly gpu = new GpuCursor();
  slot = 0;
  local = 0;
  /** Nothing is asked of it before a GPU is taken. */
  chunk!: Chunk;

  take(slot: number, chunk: Chunk, local: number): void {
    this.slot = slot;
    this.chunk = chunk;
    this.local = local;
    const { gpu } = this;
    gpu.hot = chunk.hot;
    gpu.h = local * chunk.hotWidth;
    gpu.cold = chunk.cold;
    gpu.c = local * chunk.coldWidth;
  }
}
