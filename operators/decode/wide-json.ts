import type { Readings, SampleMetadata, SampleSink } from '../../schema/batch.js';
import { dateMs } from '../../schema/dates.js';
import { S, SERIES } from '../../schema/metrics.js';
import type { DecodeOutcome, ReadingReason, RejectReading } from '../../schema/outcome.js';
import type { Conversion } from '../validate.js';
import { checkSize, deadLetter } from './checks.js';
import type { Decoder, DecodeOptions, RawMessage } from './decoder.js';
import { asObject, asText, GPU_UUID, parseJson, readValue, toNumber, type JsonObject } from './json.js';
import { JsonScanner } from './json-scanner.js';
import { PATH, type Role } from './json-skeleton.js';
import { parseIsoTime } from './time.js';

/** A field of the message and what becomes of it. */
interface Field extends Conversion {
  readonly group: string;
  readonly name: string;
  /** An exact 0 is how this producer writes a missing value: nothing real is at 0 °C, 0 W, 0 MHz or of 0 MiB. */
  readonly zeroIsMissing: boolean;
  /** A profiling value, whose unit the source's profUnit tells. */
  readonly profiling: boolean;
}

const field = (group: string, name: string, series: number, options: Partial<Field> = {}): Field => ({
  group,
  name,
  series,
  factor: 1,
  ratioOrPercent: false,
  reachesInt32Blank: false,
  zeroIsMissing: false,
  profiling: false,
  ...options,
});

const zero = { zeroIsMissing: true };
const profiling = { profiling: true };

/** gpu_temp_c comes first: whether it is there decides what zeros mean in the rest of the sample. */
const FIELDS: readonly Field[] = [
  field('health', 'gpu_temp_c', S.gpuTemp, zero),
  field('health', 'memory_temp_c', S.memoryTemp, zero),
  field('health', 'power_usage_w', S.powerUsage, zero),
  field('health', 'throttle_reasons', S.throttleReasons),
  field('health', 'xid_last', S.xid),
  field('memory', 'fb_used_mib', S.fbUsed),
  field('memory', 'fb_total_mib', S.fbTotal, zero),
  field('memory', 'ecc_sbe_volatile', S.eccSbeVol),
  field('memory', 'ecc_dbe_volatile', S.eccDbeVol),
  field('memory', 'ecc_sbe_aggregate', S.eccSbeAgg),
  field('memory', 'ecc_dbe_aggregate', S.eccDbeAgg),
  field('memory', 'remap_correctable', S.remapCorrectable),
  field('memory', 'remap_uncorrectable', S.remapUncorrectable),
  field('memory', 'remap_failure', S.remapFailure),
  field('performance', 'sm_active_pct', S.smActive, profiling),
  field('performance', 'sm_occupancy_pct', S.smOccupancy, profiling),
  field('performance', 'tensor_active_pct', S.tensorActive, profiling),
  field('performance', 'dram_active_pct', S.dramActive, profiling),
  field('performance', 'gpu_utilization_pct', S.gpuUtil),
  field('performance', 'pcie_replay', S.pcieReplay),
  field('clocks', 'sm_clock_mhz', S.smClock, zero),
  field('clocks', 'mem_clock_mhz', S.memClock, zero),
  field('energy', 'total_energy_consumption_mj', S.energy, { factor: 1e-3, reachesInt32Blank: true }),
];

const path = (...keys: string[]): string => keys.join(PATH);

const ROLES = new Map<string, Role>([
  [path('gpu', 'gpu_uuid'), { kind: 'gpu' }],
  [path('timestamp'), { kind: 'time' }],
  ...[
    path('gpu', 'name'),
    path('host', 'hostname'),
    ...['model', 'deployment_date', 'purchase_date', 'warranty_expiry', 'warranty_end'].map((key) =>
      path('asset', key),
    ),
  ].map((at): [string, Role] => [at, { kind: 'metadata' }]),
  ...FIELDS.map(({ group, name }, index): [string, Role] => [path('metrics', group, name), { kind: 'reading', index }]),
]);

/** Non-zero profiling values after which a source without one above 1 is suspected of sending ratios. */
const RATIO_SUSPICION = 10_000;

/** Wide JSON: one message a GPU and scrape, readings in groups under `metrics`. */
export class WideJsonDecoder implements Decoder {
  readonly format = 'wide-json';
  private readonly fields: readonly Field[];
  private readonly scanner: JsonScanner;
  private profilingValues = 0;
  private ratiosSuspected = true;

  constructor(private readonly options: DecodeOptions) {
    this.fields = FIELDS.map((one) => (one.profiling && options.profUnit === 'ratio' ? { ...one, factor: 100 } : one));
    this.scanner = new JsonScanner({
      roleOf: (at) => ROLES.get(at),
      conversions: this.fields,
      plain: (index) => !this.fields[index].profiling,
      zeroIsPlain: false,
      interpret: (index, raw, accepted) => this.read(raw, this.fields[index], isBlind(accepted)),
      nameOf: (index) => `${this.fields[index].group}.${this.fields[index].name}`,
      metadataOf: (root) => metadataOf(root, asObject(root.gpu)!),
    });
  }

  decode(message: RawMessage, into: SampleSink, reject: RejectReading): DecodeOutcome {
    const refused = checkSize(message, this.options.maxMessageBytes);
    if (refused !== null) return refused;
    const root = asObject(parseJson(message.value!));
    if (root === undefined) return deadLetter('malformed', 'not a JSON object');
    const gpu = asObject(root.gpu);
    const uuid = gpu?.gpu_uuid;
    if (typeof uuid !== 'string' || !GPU_UUID.test(uuid))
      return deadLetter('missing_gpu', 'gpu.gpu_uuid is not 1-128 of A-Za-z0-9._:-');
    const time = root.timestamp;
    if (time === undefined || time === null || time === '') return deadLetter('missing_time', 'no timestamp');
    const eventTimeMs = typeof time === 'string' ? parseIsoTime(time) : NaN;
    if (Number.isNaN(eventTimeMs))
      return deadLetter('bad_time', `timestamp ${JSON.stringify(time).slice(0, 64)} is not ISO 8601`);

    into.begin(uuid, eventTimeMs);
    this.readings(asObject(root.metrics), uuid, into, reject);
    const metadata = metadataOf(root, gpu!);
    if (metadata !== undefined) into.describe(metadata);
    if (!into.end()) return deadLetter('empty', 'no reading in the message');
    this.scanner.learn(message.value!);
    return { kind: 'samples', count: 1 };
  }

  decodeAt(bytes: Buffer, start: number, end: number, into: SampleSink, reject: RejectReading): boolean {
    return end - start <= this.options.maxMessageBytes && this.scanner.scan(bytes, start, end, into, reject);
  }

  /**
   * Said once: the values of the `_pct` fields look like ratios, none of the first 10,000 that were not 0 being above 1.
   */
  warning(): string | null {
    if (this.options.profUnit === 'ratio' || !this.ratiosSuspected || this.profilingValues < RATIO_SUSPICION)
      return null;
    this.ratiosSuspected = false;
    return (
      `none of ${RATIO_SUSPICION} profiling values was above 1: the producer probably puts ratios into its _pct fields. ` +
      'Set profUnit: ratio for this source'
    );
  }

  private readings(metrics: JsonObject | undefined, uuid: string, into: SampleSink, reject: RejectReading): void {
    let zerosAreMissing = true;
    for (const one of this.fields) {
      const value = asObject(metrics?.[one.group])?.[one.name];
      if (value === undefined || value === null) continue;
      const result = this.read(value, one, zerosAreMissing);
      if (typeof result === 'number') {
        into.set(one.series, result);
        if (one.series === S.gpuTemp) zerosAreMissing = false;
      } else reject(result, uuid, SERIES[one.series].metric, `${one.group}.${one.name}: ${shown(value)}`);
    }
  }

  private read(value: unknown, one: Field, zerosAreMissing: boolean): number | ReadingReason {
    const raw = toNumber(value);
    if (typeof raw !== 'number') return raw;
    // The temperature's own 0 is missing in any case.
    if (raw === 0 && (one.zeroIsMissing || zerosAreMissing)) return 'zero_is_missing';
    if (one.profiling && raw !== 0) {
      this.profilingValues++;
      if (raw > 1) this.ratiosSuspected = false;
    }
    return readValue(raw, one);
  }
}

/** Whether the temperature, which comes first, is not there. */
function isBlind({ count, series }: Readings): boolean {
  return count === 0 || series[0] !== S.gpuTemp;
}

function metadataOf(root: JsonObject, gpu: JsonObject): SampleMetadata | undefined {
  const asset = asObject(root.asset);
  const model = asText(gpu.name) ?? asText(asset?.model);
  const host = asText(asObject(root.host)?.hostname);
  const deploymentDateMs = dateOf(asset?.deployment_date);
  const purchaseDateMs = dateOf(asset?.purchase_date);
  const warrantyEndMs = dateOf(asset?.warranty_expiry) ?? dateOf(asset?.warranty_end);
  return { model, host, deploymentDateMs, purchaseDateMs, warrantyEndMs };
}

function dateOf(value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined;
  const ms = dateMs(value);
  return Number.isNaN(ms) ? undefined : ms;
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'undefined').slice(0, 64);
}
