import type { AvroCodec } from '../../schema/avro.js';
import { HOUR_MS } from '../../schema/clock.js';
import type { PaneFields } from '../../operators/window/snapshot.js';
import { Turn } from '../../schema/turn.js';
import type { PartitionReader } from '../kafka/partition-reader.js';
import type { Log } from '../roles/role.js';
import {
  RING_GPUS,
  cutKey,
  decodeCut,
  hotKey,
  isSame,
  openDelta,
  openPart,
  openRing,
  rememberedKey,
  type Cut,
  type Delta,
  type Ring,
  type WindowConfiguration,
} from './checkpoint-format.js';
import { NO_CHECKPOINT, type CheckpointPosition } from './checkpoint-writer.js';
import { MODEL_KEY, decodeMark, newestMark, type ModelMark } from './model-record.js';
import type { PartitionState } from './partition-state.js';
import { restoreFromPanes, type Pane } from './restore-panes.js';

/** A partition's state as of an offset, and what was said after it. */
export interface Restored {
  readonly state: PartitionState;
  /** Offset of the source as of which the windows are; undefined where there is no checkpoint. */
  readonly offset: number | undefined;
  /** What was said since, in order: to be applied when reading has come to each one's offset. */
  readonly deltas: readonly Delta[];
  readonly position: CheckpointPosition;
  /** The model that answered last; null where that is not known. */
  readonly model: ModelMark | null;
}

export interface RestoreOptions {
  readonly reader: Pick<PartitionReader, 'read'>;
  readonly codec: AvroCodec;
  /** Full names of gpu.checkpoints, gpu.panes and gpu.samples. */
  readonly checkpoints: string;
  readonly panes: string;
  readonly samples: string;
  readonly partition: number;
  /** Source offset that the group has committed: state beyond it is not used. */
  readonly committed: number;
  readonly windows: WindowConfiguration;
  readonly makeState: () => PartitionState;
  readonly log: Log;
  /** Told the share that is done. */
  readonly progress: (share: number) => void;
  readonly stopping: () => boolean;
}

/** Reading checkpoints is about this much of the work, the rest is reading panes. */
const SHARE_OF_CHECKPOINTS = 0.7;

/** What a damaged record leads to, for the operator. */
const CHECKPOINT_BEFORE = 'the checkpoint before is used';
const CLOSED_HOURS_FROM_PANES = 'its GPUs take their closed hours from an older record and gpu.panes';
const SAID_ONCE_MORE = 'what was said then is not known, so predictions and health of some GPUs may come once more';

interface Found {
  readonly records: Map<string, Buffer>;
  /** By chunk: the newest record of its rings up to a cut. */
  readonly rings: Map<number, { key: string; value: Buffer }>;
  readonly deltas: Delta[];
  readonly models: ModelMark[];
}

/** Brings the state of a partition back from gpu.checkpoints and gpu.panes. */
export async function restore(options: RestoreOptions): Promise<Restored> {
  const found = await readCheckpoints(options, Infinity);
  const sequence = found.deltas.reduce((most, delta) => Math.max(most, delta.sequence), 0);
  const cuts = [0, 1].flatMap((generation) => cutOf(options, found, generation));
  cuts.sort((a, b) => b.number - a.number);
  const number = cuts[0]?.number ?? 0;
  const model = newestMark(found.models, options.committed);
  const said = found.deltas.filter((delta) => delta.offset <= options.committed);
  said.sort((a, b) => a.sequence - b.sequence);
  for (const cut of cuts) {
    if (cut.offset > options.committed) continue;
    if (!isSame(cut.windows, options.windows)) {
      const { partition } = options;
      options.log.warn({ partition, ...cut.windows }, 'a checkpoint of another configuration of windows is not used');
      continue;
    }
    const state = restoreCut(options, found, cut);
    if (state === null) continue;
    const rings = await restoreRings(options, found, cut, state);
    const deltas = said.filter((delta) => delta.sequence > cut.sequence);
    const position = {
      ...{ number, rings, generation: cut.generation },
      ...{ sequence: Math.max(sequence, cut.sequence), sequenceOfCut: cut.sequence },
    };
    return { state, offset: cut.offset, deltas, position, model };
  }
  return {
    state: await restoreWithout(options, found, said),
    offset: undefined,
    deltas: said,
    position: { ...NO_CHECKPOINT, number, sequence },
    model,
  };
}

/**
 * The state without a cut. Before the first one nothing is amiss: the source is there from its beginning, and so is all
 * that was said. Else gpu.panes has what the source does not have any more.
 */
async function restoreWithout(
  options: RestoreOptions,
  { records }: Found,
  said: readonly Delta[],
): Promise<PartitionState> {
  const { log, partition, committed, makeState } = options;
  if (committed === 0) return makeState();
  const isAllSaid = said.length > 0 && said.every(({ sequence }, index) => sequence === index + 1);
  if (isAllSaid && !records.has(cutKey(0)) && !records.has(cutKey(1))) {
    log.info({ partition }, 'no checkpoint yet: windows are rebuilt from gpu.samples');
    return makeState();
  }
  const { state, gpus, hours } = await restoreFromPanes(options, (share) =>
    options.progress(SHARE_OF_CHECKPOINTS + (1 - SHARE_OF_CHECKPOINTS) * share),
  );
  log.warn(
    { partition, gpus, hours },
    'no usable checkpoint: windows are rebuilt from the closed hours of gpu.panes and as much of gpu.samples as there is' +
      (isAllSaid ? '' : ', and what was said last is not known of every GPU'),
  );
  return state;
}

/** @param newest number of the cut beyond which rings are not wanted */
async function readCheckpoints(options: RestoreOptions, newest: number): Promise<Found> {
  const found: Found = { records: new Map(), rings: new Map(), deltas: [], models: [] };
  const ringCuts = new Map<number, number>();
  const deltas = new Map<string, Buffer>();
  const { reader, checkpoints: topic, partition } = options;
  await reader.read(
    { topic, partition, offset: 0 },
    (messages, share) => {
      for (const { key, value } of messages) {
        if (key === null || key === undefined || value === null) continue;
        const name = key.toString();
        if (name.startsWith('delta/')) deltas.set(name, value);
        else if (name.startsWith(MODEL_KEY)) {
          const mark = decodeMark(value);
          if (mark === null) damaged(options, name, 'the model that answered last is taken from the record before');
          else found.models.push(mark);
        } else if (name.startsWith('ring/')) {
          const ring = openRing(name, value);
          if (ring === null) damaged(options, name, CLOSED_HOURS_FROM_PANES);
          else if (ring.featureSet !== options.windows.featureSet) continue;
          else if (ring.cut <= newest && ring.cut >= (ringCuts.get(ring.chunk) ?? 0)) {
            ringCuts.set(ring.chunk, ring.cut);
            found.rings.set(ring.chunk, { key: name, value });
          }
        } else found.records.set(name, value);
      }
      options.progress(SHARE_OF_CHECKPOINTS * share);
      return Promise.resolve();
    },
    options.stopping,
  );
  for (const [key, value] of deltas) {
    const delta = openDelta(value);
    if (delta === null) damaged(options, key, SAID_ONCE_MORE);
    else found.deltas.push(delta);
  }
  return found;
}

function cutOf(options: RestoreOptions, { records }: Found, generation: number): Cut[] {
  const record = records.get(cutKey(generation));
  if (record === undefined) return [];
  const cut = decodeCut(record);
  if (cut === null) damaged(options, cutKey(generation), CHECKPOINT_BEFORE);
  return cut === null ? [] : [cut];
}

/** All but closed panes. @returns null where a part of the cut is damaged or missing */
function restoreCut(options: RestoreOptions, { records }: Found, cut: Cut): PartitionState | null {
  const state = options.makeState();
  for (let chunk = 0; chunk < cut.hotChunks; chunk++) {
    const key = hotKey(chunk, cut.generation);
    const reader = openPart('hot', records.get(key), cut.number);
    if (reader === null) return damaged(options, key, CHECKPOINT_BEFORE);
    for (let gpus = reader.whole32(); gpus > 0; gpus--) state.decode(reader.text(), reader);
  }
  for (let chunk = 0; chunk < cut.rememberedChunks; chunk++) {
    const key = rememberedKey(chunk, cut.generation);
    const reader = openPart('remembered', records.get(key), cut.number);
    if (reader === null) return damaged(options, key, CHECKPOINT_BEFORE);
    for (let gpus = reader.whole32(); gpus > 0; gpus--) state.snapshot.decodeRemembered(reader);
  }
  state.snapshot.decodeTime(cut.time);
  return state;
}

/** Closed panes. @returns generations of the chunks whose GPUs are where they were */
async function restoreRings(
  options: RestoreOptions,
  found: Found,
  cut: Cut,
  state: PartitionState,
): Promise<Map<number, number>> {
  let opened = [...found.rings.values()].map(({ key, value }) => openRing(key, value)!);
  // Written with a cut that is not used: those before are wanted.
  if (opened.some((ring) => ring.cut > cut.number)) {
    const again = await readCheckpoints(options, cut.number);
    opened = [...again.rings.values()].map(({ key, value }) => openRing(key, value)!);
  }
  const { slots } = state.snapshot;
  /** By slot: hour from which panes are wanted. */
  const fromHour = new Float64Array(slots.size).fill(-Infinity);
  const chunkOf = new Int32Array(slots.size).fill(-1);
  opened.sort((a, b) => b.cut - a.cut);
  let panesOffset = Infinity;
  const byChunk = new Map<number, Ring>();
  for (const ring of opened) {
    byChunk.set(ring.chunk, ring);
    for (let gpus = ring.gpus; gpus > 0; gpus--) {
      const slot = slots.get(ring.reader.text()) ?? -1;
      const hour = ring.reader.float64();
      const bytes = ring.reader.part(ring.reader.whole32());
      if (slot < 0 || chunkOf[slot] >= 0) continue;
      // Written by one that died before it could commit the offset: this state has not come as far.
      if (hour > state.snapshot.openHour(slot)) {
        panesOffset = 0;
        continue;
      }
      state.snapshot.decodeRing(slot, hour, bytes);
      fromHour[slot] = hour;
      chunkOf[slot] = ring.chunk;
    }
  }
  const rings = new Map([...byChunk].map(([chunk, { generation }]) => [chunk, generation]));
  for (let slot = 0; slot < slots.size; slot++) {
    const place = Math.floor(slot / RING_GPUS);
    // A GPU that its place's ring does not have came after it.
    panesOffset = Math.min(panesOffset, byChunk.get(chunkOf[slot] < 0 ? place : chunkOf[slot])?.panesOffset ?? 0);
    if (chunkOf[slot] >= 0 && chunkOf[slot] !== place) rings.delete(place);
  }
  await readPanes(options, state, fromHour, panesOffset);
  return rings;
}

async function readPanes(
  options: RestoreOptions,
  { snapshot }: PartitionState,
  fromHour: Float64Array,
  offset: number,
): Promise<void> {
  if (offset === Infinity) return;
  const turn = new Turn();
  await options.reader.read(
    { topic: options.panes, partition: options.partition, offset },
    async (messages, share) => {
      for (const { key, value } of messages) {
        const slot = key === null || key === undefined ? undefined : snapshot.slots.get(key.toString());
        if (slot === undefined || value === null) continue;
        const pane = await options.codec.decode<Pane>('panes', value);
        const hour = pane.hour_start / HOUR_MS;
        if (hour >= fromHour[slot]) snapshot.putPane(slot, hour, pane.samples, pane as unknown as PaneFields);
        if (turn.isOver()) await turn.next();
      }
      options.progress(SHARE_OF_CHECKPOINTS + (1 - SHARE_OF_CHECKPOINTS) * share);
    },
    options.stopping,
  );
}

/** @param consequence what is done without the record */
function damaged({ log, partition }: RestoreOptions, key: string, consequence: string): null {
  log.warn({ partition, key }, `a checkpoint record is damaged, missing or of an earlier version: ${consequence}`);
  return null;
}
