import type { SampleMetadata, SampleSink } from '../../schema/batch.js';
import { S, SERIES } from '../../schema/metrics.js';
import type { DecodeOutcome, RejectReading } from '../../schema/outcome.js';
import { normalise, type Conversion } from '../validate.js';
import { checkSize, deadLetter } from './checks.js';
import type { Decoder, DecodeOptions, RawMessage } from './decoder.js';
import { asObject, asText, GPU_UUID, parseJson, readValue, type JsonObject } from './json.js';
import { JsonScanner, type JsonShape } from './json-scanner.js';
import type { Role } from './json-skeleton.js';
import { epochMs, parseIsoTime } from './time.js';

interface Field extends Conversion {
  readonly name: string;
}

const field = (name: string, series: number, reachesInt32Blank = false): Field => ({
  name,
  series,
  factor: 1,
  ratioOrPercent: false,
  reachesInt32Blank,
});

const FIELDS: readonly Field[] = [
  field('gpu_temp', S.gpuTemp),
  field('memory_temp', S.memoryTemp),
  field('power_usage', S.powerUsage),
  field('sm_active', S.smActive),
  field('sm_occupancy', S.smOccupancy),
  field('tensor_active', S.tensorActive),
  field('dram_active', S.dramActive),
  field('gpu_utilization', S.gpuUtil),
  field('gpu_util', S.gpuUtil),
  field('memory_utilization', S.memoryUtil),
  field('memory_util', S.memoryUtil),
  field('throttle_reasons', S.throttleReasons),
  field('ecc_sbe', S.eccSbeVol),
  field('ecc_dbe', S.eccDbeVol),
  field('remap_correctable', S.remapCorrectable),
  field('remap_uncorrectable', S.remapUncorrectable),
  field('remap_failure', S.remapFailure),
  field('pcie_replay', S.pcieReplay),
  field('xid', S.xid),
  field('sm_clock_mhz', S.smClock),
  field('mem_clock_mhz', S.memClock),
  field('energy', S.energy, true),
];

const ROLES = new Map<string, Role>([
  ['gpu_uuid', { kind: 'gpu' }],
  ['timestamp', { kind: 'time' }],
  ['hostname', { kind: 'metadata' }],
  ['model', { kind: 'metadata' }],
  ...FIELDS.map(({ name }, index): [string, Role] => [name, { kind: 'reading', index }]),
]);

const SHAPE: JsonShape = {
  roleOf: (path) => ROLES.get(path),
  conversions: FIELDS,
  plain: () => true,
  zeroIsPlain: true,
  interpret: (index, raw) => normalise(raw, FIELDS[index]),
  nameOf: (index) => FIELDS[index].name,
  metadataOf,
};

/** Flat wide JSON: one message a GPU and scrape, readings at the top level, percentages in percent, time in epoch ms. */
export class WideJsonFlatDecoder implements Decoder {
  readonly format = 'wide-json-flat';
  private readonly scanner = new JsonScanner(SHAPE);

  constructor(private readonly options: DecodeOptions) {}

  decode(message: RawMessage, into: SampleSink, reject: RejectReading): DecodeOutcome {
    const refused = checkSize(message, this.options.maxMessageBytes);
    if (refused !== null) return refused;
    const root = asObject(parseJson(message.value!));
    if (root === undefined) return deadLetter('malformed', 'not a JSON object');
    const uuid = root.gpu_uuid;
    if (typeof uuid !== 'string' || !GPU_UUID.test(uuid))
      return deadLetter('missing_gpu', 'gpu_uuid is not 1-128 of A-Za-z0-9._:-');
    const time = root.timestamp;
    if (time === undefined || time === null || time === '') return deadLetter('missing_time', 'no timestamp');
    const eventTimeMs = typeof time === 'string' ? parseIsoTime(time) : epochMs(time);
    if (Number.isNaN(eventTimeMs))
      return deadLetter('bad_time', `timestamp ${JSON.stringify(time).slice(0, 64)} is neither epoch ms nor ISO 8601`);

    into.begin(uuid, eventTimeMs);
    for (const one of FIELDS) {
      const value = root[one.name];
      if (value === undefined || value === null) continue;
      const result = readValue(value, one);
      if (typeof result === 'number') into.set(one.series, result);
      else reject(result, uuid, SERIES[one.series].metric, `${one.name}: ${JSON.stringify(value).slice(0, 64)}`);
    }
    const metadata = metadataOf(root);
    if (metadata !== undefined) into.describe(metadata);
    if (!into.end()) return deadLetter('empty', 'no reading in the message');
    this.scanner.learn(message.value!);
    return { kind: 'samples', count: 1 };
  }

  decodeAt(bytes: Buffer, start: number, end: number, into: SampleSink, reject: RejectReading): boolean {
    return end - start <= this.options.maxMessageBytes && this.scanner.scan(bytes, start, end, into, reject);
  }
}

function metadataOf(root: JsonObject): SampleMetadata | undefined {
  const host = asText(root.hostname);
  const model = asText(root.model);
  return host === undefined && model === undefined ? undefined : { model, host };
}
