import { ByteReader, ByteWriter } from '../../schema/state-bytes.js';
import { frame, unframe, type StateKind } from './state-chunk.js';

/**
 * Records of gpu.checkpoints. A *cut* is the state of a partition at one offset of its source, in records of a bounded
 * number of GPUs; two cuts are kept, in generations that alternate, so that one is whole while the other is written.
 *
 *   cut/<generation>                  what belongs to it; see Cut
 *   hot/<chunk>/<generation>          all but closed panes of up to HOT_GPUS GPUs
 *   remembered/<chunk>/<generation>   GPUs that lost their window
 *   ring/<chunk>/<generation>         closed panes of up to RING_GPUS GPUs, older than the cut by up to
 *                                     checkpoint.ringEveryMs; generations are the chunk's own
 *   delta/<sequence mod DELTAS>       what was said in one unit of work
 */
export const HOT_GPUS = 64;
export const RING_GPUS = 8;
export const REMEMBERED_GPUS = 500;
export const DELTAS = 8192;

/** What windows are folded by, beside the readings: state of another configuration is not gone on with. */
export interface WindowConfiguration {
  readonly featureSet: string;
  readonly gapMs: number;
}

export function isSame(one: WindowConfiguration, other: WindowConfiguration): boolean {
  return one.featureSet === other.featureSet && one.gapMs === other.gapMs;
}

export interface Cut {
  /** Counts the cuts of a partition. */
  readonly number: number;
  readonly generation: number;
  /** Next offset of the source to be read. */
  readonly offset: number;
  /** Sequence number of the newest delta that is part of it. */
  readonly sequence: number;
  readonly windows: WindowConfiguration;
  readonly gpus: number;
  readonly hotChunks: number;
  readonly rememberedChunks: number;
  /** Stands before the windows' time. */
  readonly time: ByteReader;
}

export const cutKey = (generation: number): string => `cut/${generation}`;
export const hotKey = (chunk: number, generation: number): string => `hot/${chunk}/${generation}`;
export const rememberedKey = (chunk: number, generation: number): string => `remembered/${chunk}/${generation}`;
export const ringKey = (chunk: number, generation: number): string => `ring/${chunk}/${generation}`;
export const deltaKey = (sequence: number): string => `delta/${sequence % DELTAS}`;

export function encodeCut(cut: Omit<Cut, 'time'>, time: Buffer): Buffer {
  const writer = new ByteWriter();
  for (const number of [cut.number, cut.generation, cut.offset, cut.sequence]) writer.float64(number);
  writer.text(cut.windows.featureSet);
  writer.float64(cut.windows.gapMs);
  for (const count of [cut.gpus, cut.hotChunks, cut.rememberedChunks]) writer.whole32(count);
  writer.bytes(time);
  return frame('cut', writer.take());
}

/** @returns null if the bytes are damaged. @throws ActuaryError state_newer */
export function decodeCut(record: Buffer): Cut | null {
  const payload = unframe('cut', record);
  if (payload === null) return null;
  const reader = new ByteReader(payload);
  return {
    number: reader.float64(),
    generation: reader.float64(),
    offset: reader.float64(),
    sequence: reader.float64(),
    windows: { featureSet: reader.text(), gapMs: reader.float64() },
    gpus: reader.whole32(),
    hotChunks: reader.whole32(),
    rememberedChunks: reader.whole32(),
    time: reader,
  };
}

/** A part of a cut: its number, and what follows it. @returns null if the bytes are damaged or another cut's */
export function openPart(kind: StateKind, record: Buffer | undefined, cut: number): ByteReader | null {
  const payload = record === undefined ? null : unframe(kind, record);
  if (payload === null) return null;
  const reader = new ByteReader(payload);
  return reader.float64() === cut ? reader : null;
}

export interface Ring {
  readonly chunk: number;
  readonly generation: number;
  /** Number of the cut that it was written with. */
  readonly cut: number;
  /** Offset in gpu.panes from which panes are that it does not have. */
  readonly panesOffset: number;
  /** Feature set that its panes are laid out for. */
  readonly featureSet: string;
  readonly gpus: number;
  /** Stands before the first GPU. */
  readonly reader: ByteReader;
}

/** @returns null if the bytes are damaged. @throws ActuaryError state_newer */
export function openRing(key: string, record: Buffer): Ring | null {
  const payload = unframe('ring', record);
  if (payload === null) return null;
  const [, chunk, generation] = key.split('/').map(Number);
  const reader = new ByteReader(payload);
  return {
    chunk,
    generation,
    cut: reader.float64(),
    panesOffset: reader.float64(),
    featureSet: reader.text(),
    gpus: reader.whole32(),
    reader,
  };
}

/** What was said in one unit of work: emission state of the GPUs of which something was said, as it was after it. */
export interface Delta {
  readonly sequence: number;
  /** Next offset of the source after the unit. */
  readonly offset: number;
  readonly gpus: number;
  /** Stands before the first GPU. */
  readonly reader: ByteReader;
}

/** @returns null if the bytes are damaged. @throws ActuaryError state_newer */
export function openDelta(record: Buffer): Delta | null {
  const payload = unframe('delta', record);
  if (payload === null) return null;
  const reader = new ByteReader(payload);
  return { sequence: reader.float64(), offset: reader.float64(), gpus: reader.whole32(), reader };
}
