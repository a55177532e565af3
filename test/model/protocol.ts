/**
 * The recovery protocol of the score role for one partition of gpu.samples, as a state machine small enough to be
 * explored whole. Two instances, each with a transactional id of its own; a broker with the source, the output, the
 * checkpoints and the group; docs/recovery.md says what stands for what.
 */

/** Readings of the source: whose, and what level. A GPU is spoken of when its level is another than was last said. */
export const SOURCE: readonly { readonly gpu: 0 | 1; readonly level: number }[] = [
  { gpu: 0, level: 1 },
  { gpu: 1, level: 1 },
  { gpu: 1, level: 2 },
  { gpu: 1, level: 3 },
  // Nothing to say, unless it is forgotten what was said first.
  { gpu: 0, level: 1 },
];
/** As delta/<sequence mod DELTAS>: of these the newest are there. Few, so that they run out. */
const DELTAS = 3;
/** A cut is due after more deltas than these. */
const MOST_DELTAS = 1;

/** State of a partition: a number of folded readings stands for the windows. */
export interface Fold {
  /** Readings folded. */
  readonly windows: number;
  /** By GPU: level last said, 0 where nothing was. */
  readonly said: readonly [number, number];
}

export interface Cut extends Fold {
  readonly number: number;
  readonly offset: number;
  readonly sequence: number;
  readonly isDamaged: boolean;
}

export interface Delta {
  readonly sequence: number;
  readonly offset: number;
  readonly gpu: 0 | 1;
  readonly level: number;
}

/** What one unit of work writes: a reading's. */
export interface Unit {
  /** Source offset after it. */
  readonly offset: number;
  /** Outputs as `reading:windows`: what a reader sees of both. */
  readonly outputs: readonly string[];
  readonly delta: Delta | null;
  readonly cut: (Cut & { readonly generation: 0 | 1 }) | null;
}

/** The transaction of an instance's transactional id. */
export interface Transaction {
  readonly at: 'none' | 'open' | 'prepared';
  readonly unit: Unit | null;
  /** Source offset in it; −1 before it is. */
  readonly offset: number;
}

export const NO_TRANSACTION: Transaction = { at: 'none', unit: null, offset: -1 };

export interface Broker {
  readonly committed: number;
  readonly outputs: readonly string[];
  readonly cuts: readonly [Cut | null, Cut | null];
  readonly deltas: readonly Delta[];
  /** Member that has the partition; ghost: one that died and is not missed yet. */
  readonly owner: 0 | 1 | 'ghost' | null;
  readonly transactions: readonly [Transaction, Transaction];
}

/** How far the first unit in hand is; `begin` is no call to the broker of its own, it goes with the first record. */
export type Stage = 'folded' | 'produced' | 'offsets';

export interface Instance {
  readonly at: 'down' | 'idle' | 'assigned' | 'fetched' | 'working';
  readonly isPaused: boolean;
  /** Whether the broker takes it for the owner: the generation that it would send is the group's. */
  readonly isCurrent: boolean;
  /** Whether its producer was fenced by the broker, after a timeout. */
  readonly isFenced: boolean;
  /** A transaction failed: a new producer is needed. */
  readonly hasFailed: boolean;
  /** While it works: state, next to read, and where its checkpoints stand. */
  readonly fold: Fold;
  readonly next: number;
  readonly sequence: number;
  readonly sequenceOfCut: number;
  readonly cutNumber: number;
  readonly generation: 0 | 1;
  /** Committed offset that it was told. */
  readonly committed: number;
  /** Units in hand: one on its way, one folded ahead. */
  readonly units: readonly Unit[];
  readonly stage: Stage;
}

/** How often each may still happen. */
export interface Budget {
  readonly crashes: number;
  readonly pauses: number;
  /** Cuts that are taken before they are due by the number of deltas, as time has it. */
  readonly cuts: number;
  /** Partitions that go from one live instance to the other. */
  readonly moves: number;
  /** Calls that fail, or whose answer is lost. */
  readonly faults: number;
  readonly damages: number;
}

export interface State {
  readonly broker: Broker;
  readonly instances: readonly [Instance, Instance];
  readonly budget: Budget;
}

const EMPTY: Fold = { windows: 0, said: [0, 0] };

export const DOWN: Instance = {
  at: 'down',
  isPaused: false,
  isCurrent: false,
  isFenced: false,
  hasFailed: false,
  fold: EMPTY,
  next: 0,
  sequence: 0,
  sequenceOfCut: 0,
  cutNumber: 0,
  generation: 1,
  committed: 0,
  units: [],
  stage: 'folded',
};

/** What may be left out or done wrong, to see that the exploration would notice. */
export type Mutation =
  | 'offsets are committed before the outputs'
  | 'outputs are written before the offsets are committed'
  | 'an instance that lost its partition is not refused'
  | 'committed offsets are told while a transaction that moves them is open'
  | 'after a failed transaction the state is kept'
  | 'a commit without an answer counts as failed'
  | 'what is read again is not muted'
  | 'checkpoints are written outside the transaction'
  | 'deltas do not take effect'
  | 'deltas do not take effect before the first cut'
  | 'there is one generation of cuts'
  | 'deltas are counted from the restart, not from the cut';

/** Folds one reading. @returns the state after it, and what is said */
export function foldOne(fold: Fold, reading: number): { readonly fold: Fold; readonly outputs: readonly string[] } {
  const { gpu, level } = SOURCE[reading];
  const windows = fold.windows + 1;
  if (fold.said[gpu] === level) return { fold: { ...fold, windows }, outputs: [] };
  const said: [number, number] = gpu === 0 ? [level, fold.said[1]] : [fold.said[0], level];
  return { fold: { windows, said }, outputs: [`${reading}:${windows}`] };
}

export interface Peace {
  readonly fold: Fold;
  readonly outputs: readonly string[];
}

/** By source offset: a run in peace up to it. */
export const PEACE: readonly Peace[] = SOURCE.reduce<readonly Peace[]>(
  (before, _, reading) => {
    const { fold, outputs } = before[reading];
    const folded = foldOne(fold, reading);
    return [...before, { fold: folded.fold, outputs: [...outputs, ...folded.outputs] }];
  },
  [{ fold: EMPTY, outputs: [] }],
);

/** Whether a cut has to go with the next unit: after so many deltas since the last one. */
export function isCutDue({ fold, next, sequence, sequenceOfCut }: Instance): boolean {
  const speaks = foldOne(fold, next).outputs.length > 0;
  return sequence + (speaks ? 1 : 0) - sequenceOfCut > MOST_DELTAS;
}

/** The next unit of an instance that works. */
export function work(instance: Instance, isCut: boolean, mutation: Mutation | null): Instance {
  const { next, sequence, sequenceOfCut, cutNumber, generation } = instance;
  const { fold, outputs } = foldOne(instance.fold, next);
  const offset = next + 1;
  const after = outputs.length > 0 ? sequence + 1 : sequence;
  const delta = outputs.length > 0 ? { sequence: after, offset, ...SOURCE[next] } : null;
  const other = mutation === 'there is one generation of cuts' ? generation : ((1 - generation) as 0 | 1);
  const cut = isCut
    ? { ...fold, number: cutNumber + 1, offset, sequence: after, isDamaged: false, generation: other }
    : null;
  return {
    ...instance,
    fold,
    next: offset,
    sequence: after,
    sequenceOfCut: isCut ? after : sequenceOfCut,
    cutNumber: isCut ? cutNumber + 1 : cutNumber,
    generation: isCut ? other : generation,
    units: [...instance.units, { offset, outputs, delta, cut }],
  };
}

/** State as of the committed offset, from the checkpoints, as topology/score/restore.ts has it. */
export function restored(instance: Instance, broker: Broker, mutation: Mutation | null): Instance {
  const { committed } = instance;
  const isTrusting = mutation === 'checkpoints are written outside the transaction';
  const cuts = broker.cuts.flatMap((cut, generation) =>
    cut === null ? [] : [{ ...cut, generation: generation as 0 | 1 }],
  );
  const usable = cuts.filter(({ isDamaged, offset }) => !isDamaged && (isTrusting || offset <= committed));
  usable.sort((a, b) => b.number - a.number);
  const cut = usable.at(0);
  const deltas = broker.deltas.filter(({ sequence, offset }) => sequence > (cut?.sequence ?? 0) && offset <= committed);
  const areLeftOut =
    mutation === 'deltas do not take effect' ||
    (mutation === 'deltas do not take effect before the first cut' && cut === undefined);
  // The readings between cut and committed offset move the windows and say nothing; deltas say what was said.
  let said = cut?.said ?? EMPTY.said;
  if (!areLeftOut) for (const { gpu, level } of deltas) said = gpu === 0 ? [level, said[1]] : [said[0], level];
  const from = cut?.offset ?? 0;
  const sequence = Math.max(cut?.sequence ?? 0, ...broker.deltas.map((delta) => delta.sequence));
  const isMuted = mutation !== 'what is read again is not muted';
  return {
    ...instance,
    at: 'working',
    fold: { windows: (cut?.windows ?? 0) + (isMuted ? Math.max(0, committed - from) : 0), said },
    next: isMuted ? committed : from,
    sequence,
    sequenceOfCut:
      mutation === 'deltas are counted from the restart, not from the cut' ? sequence : (cut?.sequence ?? 0),
    cutNumber: Math.max(0, ...cuts.map(({ number }) => number)),
    generation: cut?.generation ?? 1,
    // Used up.
    committed: 0,
  };
}

/** Makes a committed unit's records visible. */
export function applied(broker: Broker, unit: Unit): Broker {
  const { outputs, delta } = unit;
  const written = writtenDown(broker, unit);
  const others = written.deltas.filter(
    ({ sequence }) => delta === null || sequence % DELTAS !== delta.sequence % DELTAS,
  );
  return {
    ...written,
    outputs: [...broker.outputs, ...outputs],
    deltas: delta === null ? written.deltas : [...others, delta],
  };
}

/** Makes a unit's cut visible. */
export function writtenDown(broker: Broker, { cut }: Unit): Broker {
  if (cut === null) return broker;
  const { generation, ...record } = cut;
  return { ...broker, cuts: generation === 0 ? [record, broker.cuts[1]] : [broker.cuts[0], record] };
}
