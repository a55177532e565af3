import type { SampleBatch, SampleMetadata } from '../../schema/batch.js';
import { dateMs } from '../../schema/dates.js';
import type { AssetRecord } from '../../schema/records.js';
import type { ByteReader, ByteWriter } from '../../schema/state-bytes.js';
import type { PackedReader, PackedWriter } from './packed.js';
import { Texts } from './texts.js';

/**
 * What is known of a GPU besides readings: fields of its asset record, else those of the newest accepted sample that
 * bore them, field by field.
 */

/** Fields that samples bear, in the order of a metadata row; behind their values lie the event times they bear. */
const MODEL = 0;
const HOST = 1;
const DEPLOYMENT = 2;
const PURCHASE = 3;
const WARRANTY = 4;
const TEXTS = [MODEL, HOST];
const FIELDS = 5;
/** Float64s a GPU: values, NaN for none, then the event times they bear, −Infinity for never. */
export const METADATA_WIDTH = 2 * FIELDS;

/** Dates are epoch ms of midnight UTC, NaN for none. */
export interface Facts {
  model: string | undefined;
  host: string | undefined;
  deploymentMs: number;
  purchaseMs: number;
  warrantyEndMs: number;
  /** Recorded operating hours, 0 if none, and the date they were recorded. */
  recordedHours: number;
  recordedAtMs: number;
}

interface ParsedAsset {
  readonly record: AssetRecord | undefined;
  readonly facts: Facts;
}

export class AssetFacts {
  private readonly shared = new Texts();
  private readonly parsed: (ParsedAsset | undefined)[] = [];
  /** FIELDS values a metadata record of the batch at hand. */
  private batchValues = new Float64Array(0);
  private readonly facts: Facts = { ...NOTHING };

  constructor(private readonly assetOf: (gpuUuid: string) => AssetRecord | undefined) {}

  /** Texts in use. */
  get texts(): number {
    return this.shared.size;
  }

  /** Prepares the metadata of a batch, once a batch. */
  useBatch(batch: SampleBatch): void {
    const before = this.batchValues;
    const values = new Float64Array(batch.metadata.length * FIELDS);
    for (const [index, metadata] of batch.metadata.entries()) {
      const at = index * FIELDS;
      const last = index > 0 ? batch.metadata[index - 1] : undefined;
      values[at + MODEL] = this.useNext(metadata.model, last?.model, values[at - FIELDS + MODEL]);
      values[at + HOST] = this.useNext(metadata.host, last?.host, values[at - FIELDS + HOST]);
      values[at + DEPLOYMENT] = metadata.deploymentDateMs ?? NaN;
      values[at + PURCHASE] = metadata.purchaseDateMs ?? NaN;
      values[at + WARRANTY] = metadata.warrantyEndMs ?? NaN;
    }
    this.batchValues = values;
    for (let at = 0; at < before.length; at += FIELDS)
      for (const field of TEXTS) this.shared.release(before[at + field]);
  }

  /** Number of a text that is mostly the one before, as within a host: a look-up costs more than all the rest here. */
  private useNext(text: string | undefined, last: string | undefined, lastNumber: number): number {
    if (text === undefined || text !== last) return this.shared.use(text);
    this.shared.useAgain(lastNumber);
    return lastNumber;
  }

  /** Takes the metadata of an accepted sample. @param index into the batch's metadata */
  take(rows: Float64Array, at: number, index: number, ms: number): void {
    const from = index * FIELDS;
    for (let field = 0; field < FIELDS; field++) {
      const value = this.batchValues[from + field];
      if (value !== value || ms < rows[at + FIELDS + field]) continue;
      if (field <= HOST && rows[at + field] !== value) {
        this.shared.useAgain(value);
        this.shared.release(rows[at + field]);
      }
      rows[at + field] = value;
      rows[at + FIELDS + field] = ms;
    }
  }

  /** What holds of a GPU; the object is valid until the next call. */
  of(slot: number, gpuUuid: string, rows: Float64Array, at: number): Facts {
    const asset = this.asset(slot, gpuUuid);
    const { facts } = this;
    facts.model = asset.model ?? this.shared.of(rows[at + MODEL]);
    facts.host = this.shared.of(rows[at + HOST]);
    facts.deploymentMs = orElse(asset.deploymentMs, rows[at + DEPLOYMENT]);
    facts.purchaseMs = orElse(asset.purchaseMs, rows[at + PURCHASE]);
    facts.warrantyEndMs = orElse(asset.warrantyEndMs, rows[at + WARRANTY]);
    facts.recordedHours = asset.recordedHours;
    facts.recordedAtMs = asset.recordedAtMs;
    return facts;
  }

  /** Forgets a GPU. @param kept whether its metadata was packed, and its texts are in use there */
  free(slot: number, rows: Float64Array, at: number, kept: boolean): void {
    if (slot < this.parsed.length) this.parsed[slot] = undefined;
    if (!kept) for (const field of TEXTS) this.shared.release(rows[at + field]);
  }

  /** Writes the metadata in force; its texts go on being used by what is written. */
  pack(rows: Float64Array, at: number, writer: PackedWriter): void {
    for (let field = 0; field < FIELDS; field++) writer.number(rows[at + field]);
  }

  /** @param ms no earlier than any of the samples that bore the metadata */
  unpack(rows: Float64Array, at: number, ms: number, reader: PackedReader): void {
    for (let field = 0; field < FIELDS; field++) {
      const value = reader.number();
      if (value !== value) continue;
      rows[at + field] = value;
      rows[at + FIELDS + field] = ms;
    }
  }

  /** What was packed is dropped, and with it the use of its texts. */
  discard(reader: PackedReader): void {
    for (let field = 0; field < FIELDS; field++) {
      const value = reader.number();
      if (field <= HOST) this.shared.release(value);
    }
  }

  /** Writes the texts of a GPU's metadata: their numbers are this process' own. */
  encodeTexts(rows: Float64Array, at: number, writer: ByteWriter): void {
    for (const field of TEXTS) writer.optionalText(this.shared.of(rows[at + field]));
  }

  /** Takes what {@link encodeTexts} wrote, and gives the texts numbers. */
  decodeTexts(rows: Float64Array, at: number, reader: ByteReader): void {
    for (const field of TEXTS) rows[at + field] = this.shared.use(reader.optionalText());
  }

  /** Writes packed metadata. */
  encodePacked(packed: PackedReader, writer: ByteWriter): void {
    for (let field = 0; field < FIELDS; field++) {
      const value = packed.number();
      if (field <= HOST) writer.optionalText(this.shared.of(value));
      else writer.float64(value);
    }
  }

  /** Packs what {@link encodePacked} wrote. */
  decodePacked(reader: ByteReader, packed: PackedWriter): void {
    for (let field = 0; field < FIELDS; field++)
      packed.number(field <= HOST ? this.shared.use(reader.optionalText()) : reader.float64());
  }

  private asset(slot: number, gpuUuid: string): Facts {
    const record = this.assetOf(gpuUuid);
    if (record === undefined) return NOTHING;
    const parsed = this.parsed[slot];
    if (parsed !== undefined && parsed.record === record) return parsed.facts;
    const facts: Facts = {
      model: record.model ?? undefined,
      host: undefined,
      deploymentMs: parseDate(record.deployment_date),
      purchaseMs: parseDate(record.purchase_date),
      warrantyEndMs: parseDate(record.warranty_end),
      recordedHours: record.operating_hours ?? 0,
      recordedAtMs: parseDate(record.operating_hours_at),
    };
    this.parsed[slot] = { record, facts };
    return facts;
  }
}

/** Facts as metadata, absent fields left out. */
export function toMetadata(facts: Facts): SampleMetadata {
  return {
    ...(facts.model === undefined ? {} : { model: facts.model }),
    ...(facts.host === undefined ? {} : { host: facts.host }),
    ...(Number.isNaN(facts.deploymentMs) ? {} : { deploymentDateMs: facts.deploymentMs }),
    ...(Number.isNaN(facts.purchaseMs) ? {} : { purchaseDateMs: facts.purchaseMs }),
    ...(Number.isNaN(facts.warrantyEndMs) ? {} : { warrantyEndMs: facts.warrantyEndMs }),
  };
}

const NOTHING: Readonly<Facts> = {
  model: undefined,
  host: undefined,
  deploymentMs: NaN,
  purchaseMs: NaN,
  warrantyEndMs: NaN,
  recordedHours: 0,
  recordedAtMs: NaN,
};

const orElse = (first: number, second: number): number => (Number.isNaN(first) ? second : first);

const parseDate = (text: string | null | undefined): number =>
  text === null || text === undefined ? NaN : dateMs(text);
