import {
  emptyReadings,
  metadataKey,
  type Readings,
  type SampleMetadata,
  type SampleSink,
  type SinkGpu,
} from '../../schema/batch.js';
import { SERIES } from '../../schema/metrics.js';
import type { ReadingReason, RejectReading } from '../../schema/outcome.js';
import { plainRange, type Conversion, type Normalised } from '../validate.js';
import { ByteTable } from '../../schema/byte-table.js';
import { asObject, GPU_UUID, type JsonObject } from './json.js';
import { JsonSkeleton, type RoleOf } from './json-skeleton.js';
import { IsoTimeReader } from './time.js';

/** A JSON shape of one sample a message, as the scanner needs to know it. */
export interface JsonShape {
  readonly roleOf: RoleOf;
  /** By index of its role: how a reading's raw number becomes a value. */
  readonly conversions: readonly Conversion[];
  /** By index: whether a number in its series' range is a reading as it is, and {@link interpret} need not be asked. */
  readonly plain: (index: number) => boolean;
  /** Whether that holds for 0 too. */
  readonly zeroIsPlain: boolean;
  /**
   * A reading's value in its series' unit, or why there is none. Asked in ascending order of indices.
   * @param accepted the readings of the sample so far
   */
  interpret(index: number, raw: number, accepted: Readings): Normalised;
  /** Name of a reading in rejections. */
  nameOf(index: number): string;
  metadataOf(root: JsonObject): SampleMetadata | undefined;
}

/** Forms of messages that are remembered: a source with more of them is not regular. */
const MAX_SKELETONS = 16;
/** Learning costs as much as ten parsings: it must have paid off before it goes on. */
const MATCHES_FOR_LEARNING = 64;
const MAX_GPUS = 1 << 20;
const MAX_METADATA = 1 << 17;
const SEPARATOR = 0xff;

/** A form of messages, and what was said in it about GPUs. */
interface Form {
  readonly skeleton: JsonSkeleton;
  readonly texts: ByteTable;
  /** By id of the texts. */
  readonly metadata: (SampleMetadata | undefined)[];
}

interface Gpu {
  readonly id: number;
  readonly known: SinkGpu;
  /** The GPU that came after it last. */
  next: Gpu | undefined;
  /** What was said about it last: the form, and the id of the texts in it. */
  form: Form | undefined;
  text: number;
}

/**
 * The fast way through regular JSON. It remembers the forms that messages came in, reads what fits one of them where
 * it lies, and leaves everything else to the parser. Tests hold it to the parser's results.
 */
export class JsonScanner {
  /** The form that was met last comes first. */
  private readonly forms: Form[] = [];
  private credit = MATCHES_FOR_LEARNING * MAX_SKELETONS;
  private missed = false;
  private readonly min: Float64Array;
  private readonly max: Float64Array;
  private readonly whole: Uint8Array;
  private readonly series: Uint8Array;
  private readonly readings: Readings;
  private readonly rejected: { index: number; reason: ReadingReason }[] = [];
  private readonly isoTime = new IsoTimeReader();
  private sink: SampleSink | undefined;
  private readonly uuids = new ByteTable();
  /** By id of the UUID. */
  private gpus: Gpu[] = [];
  private lastGpu: Gpu | undefined;
  private key = new Uint8Array(256);
  private keyView = new DataView(this.key.buffer);
  /** A block's messages lie in the same bytes one after the other. */
  private viewed: Buffer | undefined;
  private view: DataView = new DataView(new ArrayBuffer(0));

  constructor(private readonly shape: JsonShape) {
    const { conversions } = shape;
    const ranges = conversions.map((conversion, index) => (shape.plain(index) ? plainRange(conversion) : null));
    const least = shape.zeroIsPlain ? -Infinity : Number.MIN_VALUE;
    this.min = Float64Array.from(ranges, (range) => (range === null ? NaN : Math.max(range.min, least)));
    this.max = Float64Array.from(ranges, (range) => range?.max ?? NaN);
    this.whole = Uint8Array.from(ranges, (range) => (range?.whole ? 1 : 0));
    this.series = Uint8Array.from(conversions, ({ series }) => series);
    this.readings = emptyReadings(conversions.length);
  }

  /** @returns false if the message is not one of the regular ones; nothing has happened then */
  scan(bytes: Buffer, start: number, end: number, into: SampleSink, reject: RejectReading): boolean {
    const { forms } = this;
    if (bytes !== this.viewed) {
      this.viewed = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    for (let i = 0; i < forms.length; i++) {
      const form = forms[i];
      if (!form.skeleton.match(bytes, this.view, start, end)) continue;
      if (i > 0) {
        forms[i] = forms[0];
        forms[0] = form;
      }
      this.credit++;
      return this.take(form, bytes, start, end, into, reject);
    }
    this.missed = true;
    return false;
  }

  /** Looks at a message that gave a sample: was it one that {@link scan} did not know, it may know the next. */
  learn(message: Buffer): void {
    if (!this.missed) return;
    this.missed = false;
    if (this.credit < MATCHES_FOR_LEARNING) return;
    this.credit = Math.min(this.credit, MATCHES_FOR_LEARNING * MAX_SKELETONS) - MATCHES_FOR_LEARNING;
    const skeleton = JsonSkeleton.learn(message, this.shape.roleOf, this.series.length);
    if (skeleton === null) return;
    const series = skeleton.present.map((index) => this.series[index]);
    // Two names of one series: which of them counts is for the parser's way to say.
    if (new Set(series).size < series.length) return;
    this.forms.unshift({ skeleton, texts: new ByteTable(), metadata: [] });
    this.forms.length = Math.min(this.forms.length, MAX_SKELETONS);
  }

  private take(
    form: Form,
    bytes: Buffer,
    start: number,
    end: number,
    into: SampleSink,
    reject: RejectReading,
  ): boolean {
    const { skeleton } = form;
    const timeMs = skeleton.timeIsText
      ? this.isoTime.read(bytes, skeleton.timeStart, skeleton.timeEnd)
      : Math.floor(skeleton.timeNumber);
    if (timeMs !== timeMs) return false;
    const gpu = this.gpuOf(bytes, skeleton.gpuStart, skeleton.gpuEnd, into);
    if (gpu === undefined || !this.read(skeleton)) return false;
    for (const { index, reason } of this.rejected) {
      const metric = SERIES[this.series[index]].metric;
      reject(
        reason,
        gpu.known.uuid,
        metric,
        `${this.shape.nameOf(index)}: ${JSON.stringify(skeleton.readings[index])}`,
      );
    }
    const metadata = skeleton.metadata.length === 0 ? undefined : this.metadataOf(form, gpu, bytes, start, end);
    into.add(gpu.known, timeMs, this.readings, metadata);
    return true;
  }

  /** Readings from raw numbers, and what of them is none. @returns whether there is any reading */
  private read({ present, readings: raws }: JsonSkeleton): boolean {
    const { readings, min, max, whole, series, rejected } = this;
    rejected.length = 0;
    readings.count = 0;
    for (let i = 0; i < present.length; i++) {
      const index = present[i];
      const raw = raws[index];
      if (raw !== raw) continue;
      let value = raw;
      if (!(raw >= min[index] && raw <= max[index] && (whole[index] === 0 || Math.floor(raw) === raw))) {
        const result = this.shape.interpret(index, raw, readings);
        if (typeof result !== 'number') {
          rejected.push({ index, reason: result });
          continue;
        }
        value = result;
      }
      readings.series[readings.count] = series[index];
      readings.values[readings.count++] = value;
    }
    return readings.count > 0;
  }

  /** The GPU that these bytes name, undefined where they are no UUID. */
  private gpuOf(bytes: Buffer, start: number, end: number, into: SampleSink): Gpu | undefined {
    if (into !== this.sink || this.gpus.length > MAX_GPUS) {
      this.sink = into;
      this.uuids.clear();
      this.gpus = [];
      this.lastGpu = undefined;
    }
    // Collectors write their GPUs in the same order, scrape after scrape.
    const last = this.lastGpu;
    const likely = last?.next;
    if (likely !== undefined && this.uuids.endIn(likely.id, this.view, start) === end) return (this.lastGpu = likely);
    let id = this.uuids.find(bytes, start, end);
    if (id < 0) {
      const uuid = bytes.toString('latin1', start, end);
      if (!GPU_UUID.test(uuid)) return undefined;
      id = this.uuids.insert(bytes, start, end);
      this.gpus.push({ id, known: into.gpu(uuid), next: undefined, form: undefined, text: -1 });
    }
    const gpu = this.gpus[id];
    if (last !== undefined) last.next = gpu;
    return (this.lastGpu = gpu);
  }

  private metadataOf(form: Form, gpu: Gpu, bytes: Buffer, start: number, end: number): SampleMetadata | undefined {
    const { texts, metadata } = form;
    const length = this.gatherTexts(form.skeleton.metadata, bytes);
    // A GPU seldom moves.
    if (gpu.form === form && texts.endIn(gpu.text, this.keyView, 0) === length) return metadata[gpu.text];
    let id = texts.find(this.key, 0, length);
    if (id < 0) {
      if (texts.size >= MAX_METADATA) {
        texts.clear();
        metadata.length = 0;
        for (const one of this.gpus) one.form = undefined;
      }
      id = texts.insert(this.key, 0, length);
      const said = this.shape.metadataOf(asObject(JSON.parse(bytes.toString('utf8', start, end)))!);
      metadata.push(said === undefined || metadataKey(said) === null ? undefined : said);
    }
    gpu.form = form;
    gpu.text = id;
    return metadata[id];
  }

  /** Copies texts to the key, one behind the other, each with a separator. @returns their length there */
  private gatherTexts(places: Uint32Array, bytes: Buffer): number {
    let length = places.length / 2;
    for (let i = 0; i < places.length; i += 2) length += places[i + 1] - places[i];
    if (length > this.key.length) {
      this.key = new Uint8Array(2 * length);
      this.keyView = new DataView(this.key.buffer);
    }
    const { key } = this;
    let at = 0;
    for (let i = 0; i < places.length; i += 2) {
      for (let from = places[i]; from < places[i + 1]; from++) key[at++] = bytes[from];
      key[at++] = SEPARATOR;
    }
    return at;
  }
}
