import { EXPLAINED_WITHIN_MS } from '../../models/explain/cost.js';
import type { Scorer } from '../../models/scorer.js';
import { ActuaryError, type ErrorCode } from '../../schema/errors.js';
import type { Log } from '../roles/role.js';

/** Told of models that come and go; serving/metrics.ts counts them. */
export interface ModelInstruments {
  modelInForce(modelVersion: string, runId: string | null): void;
  modelSwitched(): void;
  modelRefused(code: string): void;
}

/** Told what became of the models that a place offered. */
export interface ModelVerdicts {
  /** @param what of the place was refused */
  refused(code: ErrorCode, what: string): void;
  usable(modelVersion: string): void;
}

/**
 * The model that speaks, and one that is to speak next. A unit of work takes its model once and has all its rows
 * answered by it, so that a switch falls between two units.
 */
export class ModelsInForce {
  private next: Scorer | null = null;
  private readonly closing = new Set<Promise<void>>();

  /** @param onSwitch told when another model has begun to speak */
  constructor(
    private speaking: Scorer,
    private readonly onSwitch: (from: Scorer, to: Scorer) => void = () => undefined,
  ) {}

  get current(): Scorer {
    return this.speaking;
  }

  /** The model that the next unit of work will be answered by. */
  get newest(): Scorer {
    return this.next ?? this.speaking;
  }

  /** A model that is checked and warm: it speaks from the next unit of work on. One that never spoke is closed. */
  offer(model: Scorer): void {
    if (this.next !== null) this.close(this.next);
    this.next = model;
  }

  /** The model for a unit of work. The one before is closed: nothing may be waiting for it any more. */
  take(): Scorer {
    const { next, speaking } = this;
    if (next === null) return speaking;
    this.speaking = next;
    this.next = null;
    this.close(speaking);
    this.onSwitch(speaking, next);
    return next;
  }

  async closeAll(): Promise<void> {
    for (const model of new Set([this.speaking, this.newest])) this.close(model);
    await Promise.all(this.closing);
  }

  private close(model: Scorer): void {
    const closed = model.close();
    this.closing.add(closed);
    void closed.finally(() => this.closing.delete(closed));
  }
}

/** @throws ActuaryError model_mismatch: the model reads features that are not kept */
export function checkFits({ modelVersion, featureSet }: Scorer, kept: 'v1' | 'v2'): void {
  if (featureSet === 'v2' && kept === 'v1')
    throw new ActuaryError(
      'model_mismatch',
      `model ${modelVersion} reads feature set v2, and windows.featureSet keeps v1 alone: set it to v2, or use a model of v1`,
    );
}

/** Says so where naming the factors of a prediction is dear: the event loop has as much less for all else. */
export function warnIfDear({ modelVersion, explanationMs }: Scorer, log: Pick<Log, 'warn'>): void {
  if (explanationMs === null || explanationMs <= EXPLAINED_WITHIN_MS) return;
  log.warn(
    { model: modelVersion, explain_ms: Number(explanationMs.toPrecision(2)) },
    `naming what moves a prediction takes more than ${EXPLAINED_WITHIN_MS} ms with this model: each record that is emitted costs as much`,
  );
}
