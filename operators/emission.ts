import type { Grade, Trigger } from '../schema/records.js';
import { GRADES } from '../schema/records.js';
import type { ByteReader, ByteWriter } from '../schema/state-bytes.js';
import { DUE_DECISION, DUE_HEALTH, DUE_HEARTBEAT } from './due.js';

/**
 * What was last emitted of each GPU, and from that what is worth emitting now: a prediction that moved, a grade that
 * changed, a heartbeat that is due. Emission state is apart from the windows: it depends on what was decided before,
 * not on the readings alone. One object a partition, slots as in its windows.
 */

/** Probabilities are judged in log-odds; beyond this they are as good as certain. */
const MIN_PROBABILITY = 1e-12;
const NOTHING = 255;
/** No grade is a grade here: below the least coverage a GPU has none, and that may change. */
const NO_GRADE = 254;

/** Bytes of what {@link Emission.encode} writes of a GPU. */
export const SAID_BYTES = 3 * 8 + 4;

export function logOdds(probability: number): number {
  const p = Math.min(1 - MIN_PROBABILITY, Math.max(MIN_PROBABILITY, probability));
  return Math.log(p / (1 - p));
}

export class Emission {
  private capacity = 0;
  /** Log-odds of the three horizons as last emitted, 3 a slot. */
  private logOdds = new Float64Array(0);
  private type = new Uint8Array(0);
  private coverageClass = new Uint8Array(0);
  private healthGrade = new Uint8Array(0);
  private decisionGrade = new Uint8Array(0);
  /** Slots of which something was said since {@link takeChanged}. */
  private readonly changed = new Set<number>();

  /**
   * @param minLogOddsDelta change of any horizon's log-odds that is emitted at once
   * @param always whether predictions are emitted at every due point, changed or not
   */
  constructor(
    private readonly minLogOddsDelta: number,
    private readonly always = false,
  ) {}

  /**
   * Whether to emit a prediction now, and why; remembers it if so.
   * @param due bits of operators/due.ts
   */
  prediction(
    slot: number,
    due: number,
    prob7d: number,
    prob30d: number,
    prob90d: number,
    type: number,
    coverageClass: number,
  ): Trigger | null {
    this.reserve(slot);
    const at = 3 * slot;
    const odds7 = logOdds(prob7d);
    const odds30 = logOdds(prob30d);
    const odds90 = logOdds(prob90d);
    const changed =
      this.coverageClass[slot] === NOTHING ||
      Math.abs(odds7 - this.logOdds[at]) >= this.minLogOddsDelta ||
      Math.abs(odds30 - this.logOdds[at + 1]) >= this.minLogOddsDelta ||
      Math.abs(odds90 - this.logOdds[at + 2]) >= this.minLogOddsDelta ||
      type !== this.type[slot] ||
      coverageClass !== this.coverageClass[slot];
    const heartbeat = (due & DUE_HEARTBEAT) !== 0;
    if (!changed && !heartbeat && !this.always) return null;
    this.changed.add(slot);
    this.logOdds[at] = odds7;
    this.logOdds[at + 1] = odds30;
    this.logOdds[at + 2] = odds90;
    this.type[slot] = type;
    this.coverageClass[slot] = coverageClass;
    return changed ? 'change' : heartbeat ? 'heartbeat' : 'interval';
  }

  /** Grade that was last in force, for its hysteresis; null where there was none. */
  grade(slot: number): Grade | null {
    this.reserve(slot);
    return GRADES[this.healthGrade[slot]] ?? null;
  }

  /** Whether to emit health now, and why. `grade` is the one in force from now on. */
  health(slot: number, due: number, grade: Grade | null): Trigger | null {
    this.reserve(slot);
    const code = gradeCode(grade);
    const changed = code !== this.healthGrade[slot];
    this.healthGrade[slot] = code;
    if (changed) this.changed.add(slot);
    if (changed) return 'change';
    return (due & DUE_HEALTH) === 0 ? null : 'interval';
  }

  /** Whether to decide now, and why: daily, and when the grade is another than at the last decision. */
  decision(slot: number, due: number, grade: Grade | null): Trigger | null {
    this.reserve(slot);
    const code = gradeCode(grade);
    const changed = code !== this.decisionGrade[slot];
    this.decisionGrade[slot] = code;
    if (changed) this.changed.add(slot);
    if (changed) return 'change';
    return (due & DUE_DECISION) === 0 ? null : 'schedule';
  }

  /** The slot is another GPU's from now on, to whom nothing was said. */
  forget(slot: number): void {
    this.changed.delete(slot);
    if (slot >= this.capacity) return;
    this.logOdds.fill(0, 3 * slot, 3 * slot + 3);
    for (const last of this.bytes()) last[slot] = NOTHING;
  }

  /** Slots whose state changed since this was last asked. */
  takeChanged(): number[] {
    const slots = [...this.changed];
    this.changed.clear();
    return slots;
  }

  encode(slot: number, writer: ByteWriter): void {
    this.reserve(slot);
    writer.float64s(this.logOdds, 3 * slot, 3 * slot + 3);
    for (const last of this.bytes()) writer.whole8(last[slot]);
  }

  /** Takes what {@link encode} wrote. */
  decode(slot: number, reader: ByteReader): void {
    this.reserve(slot);
    reader.float64s(this.logOdds, 3 * slot, 3);
    for (const last of this.bytes()) last[slot] = reader.whole8();
  }

  private bytes(): Uint8Array[] {
    return [this.type, this.coverageClass, this.healthGrade, this.decisionGrade];
  }

  private reserve(slot: number): void {
    if (slot < this.capacity) return;
    const capacity = Math.max(64, 2 ** Math.ceil(Math.log2(slot + 1)));
    const odds = new Float64Array(3 * capacity);
    odds.set(this.logOdds);
    this.logOdds = odds;
    const larger = (array: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => {
      const copy = new Uint8Array(capacity).fill(NOTHING);
      copy.set(array);
      return copy;
    };
    this.type = larger(this.type);
    this.coverageClass = larger(this.coverageClass);
    this.healthGrade = larger(this.healthGrade);
    this.decisionGrade = larger(this.decisionGrade);
    this.capacity = capacity;
  }
}

function gradeCode(grade: Grade | null): number {
  return grade === null ? NO_GRADE : GRADES.indexOf(grade);
}
