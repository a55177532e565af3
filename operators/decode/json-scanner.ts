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
import { JsonMatcher, MatcherFull, type Plain } from './json-matcher.js';
import { learnSkeleton, type RoleOf } from './json-skeleton.js';
import { IsoTimeReader } from './time.js';
import { Found, Says, SEPARATOR, Slot } from './wasm/layout.js';

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
/** Where no number is a reading as it is. */
const NOT_PLAIN: Plain = { min: NaN, max: NaN, whole: false };

/** A form of messages, and what was said in it about GPUs. */
interface Form {
  /** As the matcher knows it. */
  readonly address: number;
  readonly timeIsText: boolean;
  /** Readings that it has, ascending. */
  readonly present: readonly number[];
  /** Those of the message that was matched last, as they stand there: NaN for null. */
  readonly raw: Readings;
  /** Texts of metadata. */
  readonly said: number;
  readonly texts: ByteTable;
  /** By id of the texts: address in the matcher, and what they say. */
  readonly addresses: number[];
  readonly metadata: (SampleMetadata | undefined)[];
}

interface Gpu {
  /** As the matcher knows it. */
  readonly address: number;
  readonly known: SinkGpu;
  /** The GPU that came after it last. */
  next: Gpu | undefined;
  /** What was said about it last. */
  metadata: SampleMetadata | undefined;
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
  private readonly ranges: readonly Plain[];
  private readonly min: Float64Array;
  private readonly max: Float64Array;
  private readonly whole: Uint8Array;
  private readonly series: Uint8Array;
  private readonly readings: Readings;
  private readonly rejected: { index: number; reason: ReadingReason }[] = [];
  private readonly isoTime = new IsoTimeReader();
  private sink: SampleSink | undefined;
  private readonly matcher = new JsonMatcher();
  private readonly uuids = new ByteTable();
  /** By id of the UUID. */
  private gpus: Gpu[] = [];
  private lastGpu: Gpu | undefined;
  private key = new Uint8Array(256);

  constructor(private readonly shape: JsonShape) {
    const { conversions } = shape;
    const least = shape.zeroIsPlain ? -Infinity : Number.MIN_VALUE;
    this.ranges = conversions.map((conversion, index) => {
      const range = shape.plain(index) ? plainRange(conversion) : null;
      return range === null ? NOT_PLAIN : { ...range, min: Math.max(range.min, least) };
    });
    this.min = Float64Array.from(this.ranges, ({ min }) => min);
    this.max = Float64Array.from(this.ranges, ({ max }) => max);
    this.whole = Uint8Array.from(this.ranges, ({ whole }) => (whole ? 1 : 0));
    this.series = Uint8Array.from(conversions, ({ series }) => series);
    this.readings = emptyReadings(conversions.length);
  }

  /**
   * @param bytes as a decoder's `decodeAt` has them
   * @returns false if the message is not one of the regular ones; no sample was added and nothing rejected then
   */
  scan(bytes: Buffer, start: number, end: number, into: SampleSink, reject: RejectReading): boolean {
    const { forms, matcher } = this;
    if (into !== this.sink || this.gpus.length > MAX_GPUS) this.forgetGpus(into);
    // A message that is too long to be matched says nothing of its form.
    this.missed = matcher.view(bytes, start, end);
    if (!this.missed) return false;
    const expected = this.lastGpu?.next;
    const address = expected === undefined ? 0 : expected.address;
    for (let i = 0; i < forms.length; i++) {
      const form = forms[i];
      const says = matcher.match(form.address, start, end, address);
      if (says === 0) continue;
      if (i > 0) {
        forms[i] = forms[0];
        forms[0] = form;
      }
      this.credit++;
      this.missed = false;
      const gpu = (says & Says.Expected) !== 0 ? expected! : this.gpuOf(bytes, into);
      if (gpu === undefined) return false;
      this.lastGpu = gpu;
      const known =
        form.said === 0 || (says & Says.SameTexts) !== 0 || this.learnMetadata(form, gpu, bytes, start, end);
      return known && this.take(form, gpu, (says & Says.Plain) !== 0, bytes, into, reject);
    }
    return false;
  }

  /** Looks at a message that gave a sample: was it one that {@link scan} did not know, it may know the next. */
  learn(message: Buffer): void {
    if (!this.missed) return;
    this.missed = false;
    if (this.credit < MATCHES_FOR_LEARNING) return;
    this.credit = Math.min(this.credit, MATCHES_FOR_LEARNING * MAX_SKELETONS) - MATCHES_FOR_LEARNING;
    const skeleton = learnSkeleton(message, this.shape.roleOf);
    if (skeleton === null) return;
    const present = skeleton.slots
      .filter(({ kind }) => kind === Slot.Reading)
      .map(({ index }) => index)
      .sort((a, b) => a - b);
    const series = present.map((index) => this.series[index]);
    // Two names of one series: which of them counts is for the parser's way to say.
    if (new Set(series).size < series.length) return;
    const address = this.withRoom(() =>
      this.matcher.addForm(
        skeleton,
        (index) => present.indexOf(index),
        (index) => this.ranges[index],
      ),
    );
    if (address === undefined || address === 0) return;
    this.forms.unshift({
      address,
      timeIsText: skeleton.slots.some(({ kind }) => kind === Slot.TimeText),
      present,
      raw: { count: present.length, series: Uint8Array.from(series), values: this.matcher.readings(present.length) },
      said: skeleton.slots.filter(({ kind }) => kind === Slot.Metadata).length,
      texts: new ByteTable(),
      addresses: [],
      metadata: [],
    });
    this.forms.length = Math.min(this.forms.length, MAX_SKELETONS);
  }

  private take(form: Form, gpu: Gpu, plain: boolean, bytes: Buffer, into: SampleSink, reject: RejectReading): boolean {
    const { matcher } = this;
    const timeMs = form.timeIsText
      ? this.isoTime.read(bytes, matcher.place(Found.TimeStart), matcher.place(Found.TimeEnd))
      : Math.floor(matcher.timeNumber());
    if (timeMs !== timeMs) return false;
    const metadata = form.said === 0 ? undefined : gpu.metadata;
    if (plain && form.raw.count > 0) {
      into.add(gpu.known, timeMs, form.raw, metadata);
      return true;
    }
    if (!this.read(form)) return false;
    for (const { index, reason } of this.rejected) {
      const raw = form.raw.values[form.present.indexOf(index)];
      const { metric } = SERIES[this.series[index]];
      reject(reason, gpu.known.uuid, metric, `${this.shape.nameOf(index)}: ${JSON.stringify(raw)}`);
    }
    into.add(gpu.known, timeMs, this.readings, metadata);
    return true;
  }

  /** Readings from raw numbers, and what of them is none. @returns whether there is any reading */
  private read({ present, raw: { values: raws } }: Form): boolean {
    const { readings, min, max, whole, series, rejected } = this;
    // To set the length of an array costs a call of V8's runtime, whatever it was.
    if (rejected.length > 0) rejected.length = 0;
    readings.count = 0;
    for (let i = 0; i < present.length; i++) {
      const index = present[i];
      const raw = raws[i];
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

  /** The GPU that the message names, which is not the one that was expected; undefined where it names none. */
  private gpuOf(bytes: Buffer, into: SampleSink): Gpu | undefined {
    const start = this.matcher.place(Found.GpuStart);
    const end = this.matcher.place(Found.GpuEnd);
    let id = this.uuids.find(bytes, start, end);
    if (id < 0) {
      const uuid = bytes.toString('latin1', start, end);
      if (!GPU_UUID.test(uuid)) return undefined;
      const address = this.withRoom(() => this.matcher.addGpu(bytes, start, end));
      if (address === undefined) return undefined;
      id = this.uuids.insert(bytes, start, end);
      this.gpus.push({ address, known: into.gpu(uuid), next: undefined, metadata: undefined });
    }
    const gpu = this.gpus[id];
    // Collectors write their GPUs in the same order, scrape after scrape.
    if (this.lastGpu !== undefined) this.lastGpu.next = gpu;
    return gpu;
  }

  /** Looks up what a message says of its GPU, unless it is what was said last. @returns whether there was room */
  private learnMetadata(form: Form, gpu: Gpu, bytes: Buffer, start: number, end: number): boolean {
    const { texts, metadata, addresses } = form;
    if (this.matcher.sameTexts(form.address, gpu.address)) return true;
    const length = this.gatherTexts(form.said, bytes);
    let id = texts.find(this.key, 0, length);
    if (id < 0) {
      if (texts.size >= MAX_METADATA) {
        this.forgetAll();
        return false;
      }
      const address = this.withRoom(() => this.matcher.addTexts(this.key.subarray(0, length)));
      if (address === undefined) return false;
      id = texts.insert(this.key, 0, length);
      addresses.push(address);
      const said = this.shape.metadataOf(asObject(JSON.parse(bytes.toString('utf8', start, end)))!);
      metadata.push(said === undefined || metadataKey(said) === null ? undefined : said);
    }
    gpu.metadata = metadata[id];
    this.matcher.say(gpu.address, form.address, addresses[id]);
    return true;
  }

  /** Copies texts to the key, one behind the other, each with a separator. @returns their length there */
  private gatherTexts(count: number, bytes: Buffer): number {
    const { matcher } = this;
    let at = 0;
    for (let text = 0; text < count; text++) {
      const from = matcher.textPlace(2 * text);
      const to = matcher.textPlace(2 * text + 1);
      if (at + to - from >= this.key.length) {
        const larger = new Uint8Array(2 * (at + to - from + 1));
        larger.set(this.key);
        this.key = larger;
      }
      for (let place = from; place < to; place++) this.key[at++] = bytes[place];
      this.key[at++] = SEPARATOR;
    }
    return at;
  }

  /** What a step puts into the matcher; undefined where that is full, and begins anew with more room. */
  private withRoom(step: () => number): number | undefined {
    try {
      return step();
    } catch (error) {
      if (!(error instanceof MatcherFull)) throw error;
      this.forgetAll();
      return undefined;
    }
  }

  private forgetGpus(into: SampleSink): void {
    this.sink = into;
    this.uuids.clear();
    this.gpus = [];
    this.lastGpu = undefined;
    for (const { texts, addresses, metadata } of this.forms) {
      texts.clear();
      addresses.length = 0;
      metadata.length = 0;
    }
    this.matcher.forget();
  }

  private forgetAll(): void {
    this.forms.length = 0;
    this.sink = undefined;
    this.matcher.clear();
  }
}
