import { DecodeError } from '../../schema/avro.js';
import type { SampleBatch } from '../../schema/batch.js';
import type { Clock } from '../../schema/clock.js';
import type { Config } from '../../schema/config.js';
import type { SamplesCodec } from '../../schema/samples.js';
import { Turn } from '../../schema/turn.js';
import { messageLetter } from '../../sinks/dead-letter.js';
import type { Instruments } from '../instruments.js';
import { keyOf, type LogRecord, type TopicPartition, type TopicPartitionOffset } from '../kafka/log.js';
import type { InTransaction } from '../kafka/unit-transactions.js';
import type { Absences } from './absences.js';
import type { OwnedPartitions } from './owned-partitions.js';
import type { Pace, UnitPace } from './pace.js';
import { ROW_BYTES } from './rows.js';
import type { SampleAge } from './sample-age.js';
import type { SourceEnd } from './source-end.js';
import { UnitOfWork, type OutputFormat } from './unit.js';

/**
 * A unit that was folded for so long has enough: what it says is written and committed before more is. A short one costs a
 * transaction, a long one lets those wait who are due.
 */
const ENOUGH_MS = 1_000;

/**
 * Of what a unit may put out, folding fills so much; the rest is for those who wait for the model. A unit that was full
 * of what its batches say would let them wait for ever.
 */
const FOLDED_SHARE = 0.75;

/** What a poll came to, on its way through the stages of the score role. */
export interface ScoreUnit extends InTransaction {
  readonly work: UnitOfWork;
  readonly offsets: readonly TopicPartitionOffset[];
  readonly samples: number;
  readonly rows: number;
  readonly skipped: number;
  /** Longest that a due GPU has waited for the model. */
  readonly waitedMs: number;
  readonly oldestMs: number;
  /** Event time of the newest sample, epoch ms. */
  readonly newestMs: number;
  readonly startedMs: number;
  modelSeconds: number;
  /** Closes all open panes: nothing comes after it. */
  readonly isLast: boolean;
}

export interface FoldingParts {
  readonly config: Pick<Config, 'score'>;
  readonly clock: Clock;
  readonly instruments: Instruments;
  readonly samples: SamplesCodec;
  readonly format: OutputFormat;
  readonly partitions: OwnedPartitions;
  readonly absences: Absences;
  readonly pace: Pace;
  readonly age: SampleAge;
  readonly sourceEnd: SourceEnd;
  /** Of what a unit puts out. */
  readonly maxBytes: number;
  /** Takes what is left over of a unit whose outputs became too many. */
  readonly putBack: (records: readonly LogRecord[]) => void;
  readonly endReachedAt: (partition: TopicPartition) => number;
  /** Records that are there to be read. */
  readonly lag: () => number;
  /** Whether a poll that has found nothing is the last one, after which all open panes are closed. */
  readonly isLast: () => boolean;
}

/** What folding a poll's batches came to. */
interface Folded {
  readonly offsets: Map<string, TopicPartitionOffset>;
  samples: number;
  skipped: number;
  oldestMs: number;
  newestMs: number;
}

/** Decodes batches, folds them into the windows and collects what is due: the first stage of a unit of work. */
export class Folding {
  constructor(private readonly parts: FoldingParts) {}

  async fold(records: readonly LogRecord[]): Promise<ScoreUnit> {
    const { clock, format, partitions, absences, pace, samples, isLast } = this.parts;
    const startedMs = clock.now();
    samples.tidy(partitions.gpus);
    const work = new UnitOfWork(format, startedMs);
    const unitPace = pace.begin(startedMs);
    const folded = await this.foldAll(records, work, unitPace, startedMs);
    if (records.length === 0) this.foundNothing();
    const closes = records.length === 0 && isLast();
    absences.place(partitions.values(), partitions.isRestoring);
    const due = this.collectDue(work, folded.offsets, unitPace, startedMs, closes);
    return {
      work,
      offsets: [...folded.offsets.values()],
      samples: folded.samples,
      rows: due.rows,
      skipped: folded.skipped,
      waitedMs: due.waitedMs,
      oldestMs: folded.oldestMs,
      newestMs: folded.newestMs,
      startedMs,
      modelSeconds: 0,
      isLast: closes,
      isVoid: false,
    };
  }

  private async foldAll(
    records: readonly LogRecord[],
    work: UnitOfWork,
    unitPace: UnitPace,
    startedMs: number,
  ): Promise<Folded> {
    const { clock, partitions, pace, age, maxBytes, putBack } = this.parts;
    const folded: Folded = { offsets: new Map(), samples: 0, skipped: 0, oldestMs: NaN, newestMs: NaN };
    const turn = new Turn();
    for (const [index, record] of records.entries()) {
      // An hour's end makes many times as much of a batch as any other moment: the rest is the next unit's.
      const isFull = work.bytes + partitions.rowBytes >= FOLDED_SHARE * maxBytes;
      if (isFull || (index > 0 && clock.now() - startedMs >= ENOUGH_MS)) {
        putBack(records.slice(index));
        break;
      }
      const owned = partitions.of(record);
      if (owned === undefined) continue;
      const muted = record.offset < owned.mutedUntil;
      // Retention may have taken what these were said at.
      if (!muted) owned.kept?.cameTo(record.offset);
      owned.next = record.offset + 1;
      const batch = await this.decode(record, work, muted);
      const ageMs = startedMs - record.timestampMs;
      age.watch(ageMs);
      pace.read(ageMs);
      if (batch !== null) {
        folded.samples += batch.count;
        const lastMs = batch.eventTimeMs[batch.count - 1];
        if (!(folded.newestMs >= lastMs)) folded.newestMs = lastMs;
        const { restMs } = unitPace;
        folded.skipped += owned.state.fold(batch, work, {
          muted,
          defer: unitPace.defers(partitions.rows),
          restMs,
          nowMs: startedMs,
        });
      }
      if (muted) owned.kept?.cameTo(owned.next);
      // The loop answers HTTP and timers too: no unit keeps it for long.
      if (turn.isOver()) await turn.next();
      if (muted) continue;
      if (!(folded.oldestMs <= record.timestampMs)) folded.oldestMs = record.timestampMs;
      folded.offsets.set(keyOf(record), { ...owned.partition, offset: owned.next });
    }
    return folded;
  }

  private async decode(record: LogRecord, work: UnitOfWork, muted: boolean): Promise<SampleBatch | null> {
    const { samples, format, instruments } = this.parts;
    if (record.value === null) return null;
    try {
      return await samples.decode(record.value);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      if (muted) return null;
      work.letters.push(
        messageLetter(format.topic('deadLetter'), record, record.key, record.value, error.code, error.message),
      );
      instruments.deadLettered(error.code, 1);
      return null;
    }
  }

  private foundNothing(): void {
    const { partitions, sourceEnd, pace, instruments, endReachedAt } = this.parts;
    sourceEnd.look(partitions.values(), endReachedAt, performance.now());
    const lag = this.parts.lag();
    pace.foundNothing(lag);
    instruments.lag('score', lag);
  }

  /** Puts those who wait, and may have their turn, to the rows; and offsets of the partitions that say something. */
  private collectDue(
    work: UnitOfWork,
    offsets: Map<string, TopicPartitionOffset>,
    unitPace: UnitPace,
    startedMs: number,
    closes: boolean,
  ): { readonly rows: number; readonly waitedMs: number } {
    const { config, partitions, maxBytes } = this.parts;
    const elapsedMs = closes ? Infinity : unitPace.elapsedMs(partitions.rows);
    let room = closes ? Infinity : Math.ceil(((1 - FOLDED_SHARE) * maxBytes) / ROW_BYTES);
    let rows = 0;
    let waitedMs = 0;
    for (const { partition, state, mutedUntil, next } of partitions.values()) {
      if (closes) state.closeOpenPanes(work);
      if (state.waiting > 0 && next >= mutedUntil) {
        waitedMs = Math.max(waitedMs, startedMs - state.waitingSinceMs);
        const before = state.rows.count;
        state.serveWaiting(elapsedMs, config.score.maxStalenessMs, startedMs, room);
        room -= state.rows.count - before;
      }
      rows += state.rows.count;
      // A partition that speaks proves by its offset that it is still this instance's.
      if ((state.rows.count > 0 && next >= mutedUntil) || closes)
        offsets.set(keyOf(partition), { ...partition, offset: next });
    }
    return { rows, waitedMs };
  }
}
