import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { share } from '../../test/support/share.js';
import { BatchBuilder, readingsOf, type SampleMetadata } from '../../schema/batch.js';
import { SERIES } from '../../schema/metrics.js';
import { packageRoot } from '../../schema/package-root.js';
import type { Decoder, DecodeOptions } from './decoder.js';
import { createDecoder, detectFormat, type MessageFormat } from './decoders.js';
import { parseIsoTime } from './time.js';
import { propertyRuns } from '../../test/support/property-runs.js';

const OPTIONS: DecodeOptions = { profUnit: 'percent', maxMessageBytes: 1 << 20 };
const TIME = Date.UTC(2026, 10, 23, 10);

interface Result {
  outcome: string;
  samples: { gpu: string; time: number; readings: Record<string, number>; metadata: SampleMetadata | null }[];
  rejected: string[];
}

function decode(decoder: Decoder, value: Buffer | string | null, timestampMs = TIME): Result {
  const builder = new BatchBuilder(4);
  builder.from('raw', 0, 7);
  const rejected: string[] = [];
  const outcome = decoder.decode(
    {
      topic: 'raw',
      partition: 0,
      offset: 7,
      timestampMs,
      key: null,
      value: typeof value === 'string' ? Buffer.from(value) : value,
    },
    builder,
    (reason, gpu, metric) => rejected.push(`${reason} ${gpu ?? '-'} ${metric ?? '-'}`),
  );
  const batch = builder.build();
  const samples = Array.from({ length: batch.count }, (_, row) => ({
    gpu: batch.gpus[batch.gpuIndex[row]],
    time: batch.eventTimeMs[row],
    readings: readingsOf(batch, row),
    metadata: batch.metadataIndex[row] < 0 ? null : batch.metadata[batch.metadataIndex[row]],
  }));
  return { outcome: outcome.kind === 'samples' ? `samples ${outcome.count}` : outcome.code, samples, rejected };
}

const of = (format: MessageFormat, options: Partial<DecodeOptions> = {}): Decoder =>
  createDecoder(format, { ...OPTIONS, ...options });

const wide = (metrics: object, rest: object = {}): string =>
  JSON.stringify({
    timestamp: '2026-11-23T10:00:00.123456+00:00',
    gpu: { gpu_uuid: 'GPU-a', name: 'NVIDIA A100-SXM4-80GB' },
    host: { hostname: 'n1' },
    metrics,
    asset: { model: 'other', deployment_date: '2024-02-01', warranty_expiry: '2027-02-01' },
    ...rest,
  });

describe('docs/inputs.md', () => {
  const page = readFileSync(join(packageRoot(), 'docs', 'inputs.md'), 'utf8');
  const [wideExample, flatExample] = [...page.matchAll(/^```json\n(.*?)^```$/gms)].map(([, text]) =>
    JSON.stringify(JSON.parse(text)),
  );
  const scrape = /^```text\n(# TYPE.*?)^```$/ms.exec(page)?.[1] ?? '';
  const common = { gpu_temp: 61, power_usage: 412.5, sm_active: 87.5 };
  const named = { gpu: 'GPU-5fd4f087-86f3-7a43-b711-4771313afc50', time: TIME };
  const described = { model: 'NVIDIA H100 80GB HBM3', host: 'node-07' };

  it.each([
    ['wide-json', wideExample, { fb_used: 61440, fb_total: 81920, ecc_sbe_agg: 3, mem_clock: 2619, energy: 123456789 }],
    ['wide-json-flat', flatExample, { memory_util: 75, gpu_util: 97, mem_clock: 2619, energy: 123456789 }],
    ['prometheus-text', scrape, {}],
  ] as const)('gives a message of %s that is read whole', (format, text, more) => {
    const { outcome, samples, rejected } = decode(of(format), text);
    expect([outcome, rejected]).toEqual(['samples 1', []]);
    expect(samples[0]).toMatchObject({ ...named, readings: { ...common, ...more }, metadata: described });
    expect(detectFormat(Buffer.from(text))).toBe(format === 'prometheus-text' ? 'prometheus-scrape' : format);
    // Every number of the message has become a reading: none bears a name that nobody knows.
    if (format !== 'prometheus-text') {
      const numbers = text.match(/":[0-9]/g)!.length - (format === 'wide-json' ? 0 : 1);
      expect(Object.keys(samples[0].readings)).toHaveLength(numbers);
    }
  });
});

describe('wide JSON', () => {
  it('reads every group, in the engine’s units, with metadata', () => {
    const { outcome, samples, rejected } = decode(
      of('wide-json'),
      wide({
        health: { gpu_temp_c: 61, memory_temp_c: 70, power_usage_w: '312.5', throttle_reasons: 4, xid_last: 63 },
        memory: {
          fb_used_mib: 40000,
          fb_free_mib: 1,
          fb_total_mib: 81920,
          utilization_pct: 3,
          ecc_sbe_volatile: 0,
          ecc_dbe_aggregate: 2,
        },
        performance: { sm_active_pct: 87.5, gpu_utilization_pct: 97, memory_copy_utilization_pct: 30 },
        clocks: { sm_clock_mhz: 1410 },
        energy: { total_energy_consumption_mj: 123456789 },
      }),
    );
    expect([outcome, rejected]).toEqual(['samples 1', []]);
    expect(samples[0].time).toBe(TIME + 123);
    expect(samples[0].readings).toEqual({
      gpu_temp: 61,
      memory_temp: 70,
      power_usage: 312.5,
      throttle_reasons: 4,
      xid: 63,
      fb_used: 40000,
      fb_total: 81920,
      ecc_sbe_vol: 0,
      ecc_dbe_agg: 2,
      sm_active: 87.5,
      gpu_util: 97,
      sm_clock: 1410,
      energy: 123456.789,
    });
    expect(samples[0].metadata).toMatchObject({
      model: 'NVIDIA A100-SXM4-80GB',
      host: 'n1',
      deploymentDateMs: Date.UTC(2024, 1, 1),
      warrantyEndMs: Date.UTC(2027, 1, 1),
    });
  });

  it('multiplies profiling values by 100 where the source sends ratios', () => {
    const message = wide({ health: { gpu_temp_c: 61 }, performance: { sm_active_pct: 0.875, gpu_utilization_pct: 1 } });
    expect(decode(of('wide-json', { profUnit: 'ratio' }), message).samples[0].readings).toMatchObject({
      sm_active: 87.5,
      gpu_util: 1,
    });
    expect(decode(of('wide-json'), message).samples[0].readings.sm_active).toBe(0.875);
  });

  it('takes 0 °C, 0 W, 0 MHz and a total of 0 MiB for missing, and every 0 where the temperature is', () => {
    const busy = decode(
      of('wide-json'),
      wide({
        health: { gpu_temp_c: 40, power_usage_w: 0 },
        performance: { sm_active_pct: 0 },
        memory: { fb_total_mib: 0 },
      }),
    );
    expect(busy.samples[0].readings).toEqual({ gpu_temp: 40, sm_active: 0 });
    expect(busy.rejected).toEqual(['zero_is_missing GPU-a power_usage', 'zero_is_missing GPU-a fb_total']);
    const blind = decode(
      of('wide-json'),
      wide({
        health: { gpu_temp_c: 0, power_usage_w: 60 },
        performance: { sm_active_pct: 0 },
        memory: { ecc_sbe_volatile: 0 },
      }),
    );
    expect(blind.samples[0].readings).toEqual({ power_usage: 60 });
    expect(blind.rejected.map((line) => line.split(' ')[2])).toEqual(['gpu_temp', 'ecc_sbe', 'sm_active']);
  });

  it.each([
    ['null', null, null],
    ['a bare NaN', 'NaN', 'nan'],
    ['a boolean', true, 'unparseable'],
    ['an object', {}, 'unparseable'],
    ['words', 'hot', 'unparseable'],
    ['a text marker', '<<<NOT_SUPPORTED>>>', 'sentinel'],
    ['a 32-bit blank', 2147483632, 'sentinel'],
    ['a 64-bit blank', 9223372036854775807, 'sentinel'],
    ['an unsigned glitch', 4294967295, 'range'],
    ['too much', 131, 'range'],
    ['an infinite number', 1e400, null],
  ])('gives no reading for %s', (name, value, reason) => {
    let message = wide({ health: { gpu_temp_c: 'VALUE', power_usage_w: 100 } });
    message = message.replace(
      '"VALUE"',
      name === 'an infinite number' ? '1e400' : value === 'NaN' ? 'NaN' : JSON.stringify(value),
    );
    const { samples, rejected } = decode(of('wide-json'), message);
    expect(samples[0].readings).toEqual({ power_usage: 100 });
    const expected = name === 'an infinite number' ? 'range' : reason;
    expect(rejected).toEqual(expected === null ? [] : [`${expected} GPU-a gpu_temp`]);
  });

  it('clamps percentages a little above 100', () => {
    const { samples } = decode(
      of('wide-json'),
      wide({ health: { gpu_temp_c: 50 }, performance: { sm_active_pct: 100.7, tensor_active_pct: 101.1 } }),
    );
    expect(samples[0].readings).toEqual({ gpu_temp: 50, sm_active: 100 });
  });

  const good = { health: { gpu_temp_c: 61 } };
  it.each([
    ['empty', null],
    ['empty', ''],
    ['malformed', 'not JSON'],
    ['malformed', wide(good).slice(0, -1)],
    ['malformed', `[${wide(good)}]`],
    ['malformed', '\ufeff' + wide(good)],
    ['malformed', Buffer.concat([Buffer.from(wide(good)), Buffer.from([0xff])])],
    ['malformed', 'null'],
    ['missing_gpu', wide(good, { gpu: {} })],
    ['missing_gpu', wide(good, { gpu: { gpu_uuid: 'a b' } })],
    ['missing_gpu', wide(good, { gpu: { gpu_uuid: 'x'.repeat(129) } })],
    ['missing_time', wide(good, { timestamp: null })],
    ['bad_time', wide(good, { timestamp: 1764000000000 })],
    ['bad_time', wide(good, { timestamp: '2026-13-01T00:00:00Z' })],
    ['empty', wide({ health: { gpu_temp_c: null } })],
    ['oversized', wide({ note: 'x'.repeat(1 << 20) })],
  ] as [string, Buffer | string | null][])('dead-letters as %s', (code, value) => {
    const result = decode(of('wide-json'), value);
    expect([result.outcome, result.samples]).toEqual([code, []]);
  });

  it('suspects ratios among 10,000 values of which none is above 1, once', () => {
    const decoder = createDecoder('wide-json', OPTIONS) as Decoder & { warning(): string | null };
    const message = wide({ health: { gpu_temp_c: 61 }, performance: { sm_active_pct: 0.5 } });
    for (let i = 0; i < 10_000; i++) decode(decoder, message);
    expect(decoder.warning()).toMatch(/profUnit: ratio/);
    expect(decoder.warning()).toBeNull();
  });
});

describe('flat wide JSON', () => {
  it('reads names as the metrics, time in epoch ms', () => {
    const { samples, rejected } = decode(
      of('wide-json-flat'),
      '{"gpu_uuid":"GPU-3c6e","hostname":"node-0","device":1,"timestamp":1760605200001,"gpu_temp":67,"power_usage":369.6,"memory_utilization":71.8,"gpu_utilization":86,"throttle_reasons":0,"ecc_sbe":3,"pcie_tx_bytes_per_sec":1584802}',
    );
    expect(rejected).toEqual([]);
    expect(samples).toEqual([
      {
        gpu: 'GPU-3c6e',
        time: 1760605200001,
        readings: {
          gpu_temp: 67,
          power_usage: 369.6,
          memory_util: 71.8,
          gpu_util: 86,
          throttle_reasons: 0,
          ecc_sbe_vol: 3,
        },
        metadata: { model: undefined, host: 'node-0' },
      },
    ]);
  });
});

describe('times', () => {
  it.each([
    ['2026-11-23T10:00:00Z', 0],
    ['2026-11-23T10:00:00', 0],
    ['2026-11-23 10:00'.replace(' ', 'T'), 0],
    ['2026-11-23T10:00:00.1239Z', 123],
    ['2026-11-23T12:00:00+02:00', 0],
    ['2026-11-23T05:30:00-0430', 0],
  ])('reads %s', (text, offset) => expect(parseIsoTime(text)).toBe(TIME + offset));

  it.each([
    '',
    '23.11.2026',
    '2026-02-30T00:00:00Z',
    '2026-11-23T24:00:00Z',
    '2026-11-23T10:00:00+25:00',
    '1764000000',
  ])('refuses %s', (text) => expect(parseIsoTime(text)).toBeNaN());
});

describe('exposition text', () => {
  const labels = 'gpu="0",UUID="GPU-a",modelName="NVIDIA H100 80GB HBM3",Hostname="n1"';
  const scrape = (...lines: string[]): string => lines.map((line) => `${line}\n`).join('');
  const read = (text: string): Result => decode(of('prometheus-text'), text);

  it('reads a real scrape of an L4, whose memory temperature of 0 is absent', () => {
    const text = readFileSync(join(packageRoot(), 'test/fixtures/scrapes/l4-eks.prom'));
    const { outcome, samples, rejected } = decode(of('prometheus-text'), text);
    expect(outcome).toBe('samples 1');
    expect(samples[0].gpu).toBe('GPU-c2f76b33-7953-256e-8f33-1343419b1a1c');
    expect(samples[0].time).toBe(TIME);
    expect(samples[0].metadata).toEqual({ model: 'NVIDIA L4', host: 'i-030791dc5a37cd257' });
    expect(samples[0].readings).toMatchObject({
      gpu_temp: 31,
      power_usage: 16.365,
      sm_clock: 210,
      mem_clock: 405,
      fb_free: 22563,
      energy: 4742.776,
    });
    expect(samples[0].readings).not.toHaveProperty('memory_temp');
    expect(rejected).toEqual(['range GPU-c2f76b33-7953-256e-8f33-1343419b1a1c memory_temp']);
  });

  it('reads the names and units of exporter 4.9', () => {
    const { samples } = read(
      scrape(
        `DCGM_FI_DEV_GPU_TEMP_CELSIUS{${labels}} 61`,
        `DCGM_FI_DEV_BOARD_POWER_WATTS{${labels}} 312.5`,
        `DCGM_FI_DEV_SM_CLOCK_HERTZ{${labels}} 1.98e+09`,
        `DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL{${labels}} 3e9`,
        `DCGM_FI_DEV_GPU_UTIL_RATIO{${labels}} 0.97`,
        `DCGM_FI_DEV_FB_USED_BYTES{${labels}} 41943040000`,
        `DCGM_FI_PROF_SM_UTIL_RATIO{${labels}} 0.875`,
        `DCGM_FI_DEV_ROW_REMAP_FAILED{${labels}} 0`,
      ),
    );
    expect(samples[0].readings).toEqual({
      gpu_temp: 61,
      power_usage: 312.5,
      sm_clock: 1980,
      energy: 3e9,
      gpu_util: 97,
      fb_used: 40000,
      sm_active: 87.5,
      remap_failure: 0,
    });
    expect(read(scrape(`DCGM_FI_DEV_GPU_UTIL_RATIO{${labels}} 86`)).samples[0].readings.gpu_util).toBe(86);
  });

  it('drops and counts a broken line and keeps the others', () => {
    const { samples, rejected } = read(
      scrape(
        `DCGM_FI_DEV_GPU_TEMP{${labels}} 61`,
        `DCGM_FI_DEV_POWER_USAGE{${labels}} hot`,
        `DCGM_FI_DEV_SM_CLOCK{${labels} 1`,
        'what is this?',
        `DCGM_FI_DEV_MEM_CLOCK{${labels}} 2619`,
      ) + 'DCGM_FI_DEV_FB_FREE{gpu="0",UUI',
    );
    expect(samples[0].readings).toEqual({ gpu_temp: 61, mem_clock: 2619 });
    expect(rejected.map((line) => line.split(' ')[0])).toEqual(Array(4).fill('unparseable'));
  });

  it('takes the maximum of a device’s metrics over its MIG slices and leaves slices’ own figures out', () => {
    const slice = (id: number): string => `${labels},GPU_I_PROFILE="1g.10gb",GPU_I_ID="${id}"`;
    const { samples, rejected } = read(
      scrape(
        `DCGM_FI_DEV_GPU_TEMP{${slice(1)}} 60`,
        `DCGM_FI_DEV_GPU_TEMP{${slice(2)}} 62`,
        `DCGM_FI_DEV_FB_USED{${slice(1)}} 100`,
        `DCGM_FI_PROF_SM_ACTIVE{${slice(2)}} 0.5`,
        `DCGM_FI_PROF_SM_ACTIVE{${slice(2)}} NaN`,
        `DCGM_FI_PROF_DRAM_ACTIVE{${slice(2)}} none`,
      ),
    );
    expect(samples[0].readings).toEqual({ gpu_temp: 62 });
    expect(rejected).toEqual([
      'mig_slice GPU-a fb_used',
      'mig_slice GPU-a sm_active',
      'mig_slice GPU-a sm_active',
      'mig_slice GPU-a dram_active',
    ]);
  });

  it('takes a line that spells out the record’s time and one without a time for one sample', () => {
    const { outcome, samples } = read(
      scrape(
        `DCGM_FI_DEV_GPU_TEMP{${labels}} 61 ${TIME}`,
        `DCGM_FI_DEV_GPU_TEMP_CELSIUS{${labels}} 63`,
        `DCGM_FI_DEV_POWER_USAGE{${labels}} 300`,
      ),
    );
    expect(outcome).toBe('samples 1');
    expect(samples[0].readings).toEqual({ gpu_temp: 63, power_usage: 300 });
  });

  it('knows the vendor’s markers in text', () => {
    const { samples, rejected } = read(
      scrape(`DCGM_FI_DEV_GPU_TEMP{${labels}} 61`, `DCGM_FI_DEV_POWER_USAGE{${labels}} <<<NOT_SUPPORTED>>>`),
    );
    expect(samples[0].readings).toEqual({ gpu_temp: 61 });
    expect(rejected).toEqual(['sentinel GPU-a power_usage']);
  });

  it('keeps GPUs and times of their own apart, and NVLink counters by link', () => {
    const { outcome, samples } = read(
      scrape(
        `DCGM_FI_DEV_GPU_TEMP{${labels}} 61 ${TIME - 5000}`,
        `DCGM_FI_DEV_GPU_TEMP{uuid="GPU-b",hostname="n\\"2"} 45`,
        `DCGM_FI_DEV_POWER_USAGE{${labels}} 300 ${TIME - 5000}`,
        `DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_L3{gpu_uuid="GPU-b"} 7`,
        `DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL{uuid="GPU-b"} 9`,
      ),
    );
    expect(outcome).toBe('samples 2');
    expect(samples.map(({ gpu, time, readings }) => [gpu, time, readings])).toEqual([
      ['GPU-a', TIME - 5000, { gpu_temp: 61, power_usage: 300 }],
      ['GPU-b', TIME, { gpu_temp: 45, nvlink_crc_flit_l3: 7, nvlink_replay_total: 9 }],
    ]);
    expect(samples[1].metadata).toEqual({ model: undefined, host: 'n"2' });
  });

  it.each([
    ['empty', '\n \n'],
    ['empty', scrape('# HELP up x', 'up 1')],
    ['empty', scrape(`DCGM_FI_DEV_GPU_TEMP{${labels}} NaN`)],
    ['missing_gpu', scrape('DCGM_FI_DEV_GPU_TEMP{gpu="0"} 61')],
    ['malformed', '{"json":true}'],
    ['malformed', 'hello there, how are you?'],
  ])('dead-letters as %s', (code, text) => expect(read(text).outcome).toBe(code));

  it('is missing its time where neither line nor record has one', () => {
    expect(decode(of('prometheus-text'), scrape(`DCGM_FI_DEV_GPU_TEMP{${labels}} 61`), -1).outcome).toBe(
      'missing_time',
    );
  });
});

describe('every decoder', () => {
  const samples: Record<MessageFormat, string> = {
    'wide-json': wide({
      health: { gpu_temp_c: 61, power_usage_w: 300, throttle_reasons: 4 },
      memory: { ecc_sbe_volatile: 2 },
      performance: { sm_active_pct: 50 },
    }),
    'wide-json-flat':
      '{"gpu_uuid":"GPU-3c6e","timestamp":1760605200001,"gpu_temp":67,"power_usage":369.6,"throttle_reasons":0,"ecc_sbe":3}',
    'prometheus-text': readFileSync(join(packageRoot(), 'test/fixtures/scrapes/l4-eks.prom'), 'utf8'),
  };
  const mutation = fc.record({
    at: share,
    bytes: fc.uint8Array({ maxLength: 6 }),
    cut: fc.nat(8),
  });

  it.each(Object.keys(samples) as MessageFormat[])('survives whatever bytes arrive: %s', (format) => {
    const decoder = of(format);
    fc.assert(
      fc.property(fc.array(mutation, { maxLength: 6 }), fc.boolean(), (mutations, truncated) => {
        let bytes = Buffer.from(samples[format]);
        for (const { at, bytes: inserted, cut } of mutations) {
          const position = Math.floor(at * bytes.length);
          bytes = Buffer.concat([
            bytes.subarray(0, position),
            inserted,
            ...(truncated ? [] : [bytes.subarray(position + cut)]),
          ]);
        }
        const result = decode(decoder, bytes);
        if (!result.outcome.startsWith('samples')) expect(result.samples).toEqual([]);
        else expect(result.outcome).toBe(`samples ${result.samples.length}`);
        for (const { gpu, time, readings } of result.samples) {
          expect(gpu).toMatch(/^[A-Za-z0-9._:-]{1,128}$/);
          expect(Number.isInteger(time)).toBe(true);
          for (const [name, value] of Object.entries(readings)) {
            const series = SERIES.find((one) => one.name === name)!;
            expect(value).toBeGreaterThanOrEqual(series.min);
            expect(value).toBeLessThanOrEqual(series.max);
          }
        }
      }),
      { numRuns: propertyRuns(400) },
    );
  });

  it('is found by the first line of a file', () => {
    for (const [format, text] of Object.entries(samples))
      expect(detectFormat(Buffer.from(text.split('\n')[0]))).toBe(
        format === 'prometheus-text' ? 'prometheus-scrape' : format,
      );
    expect(detectFormat(Buffer.from('{"timestamp_ms":1,"text":"# HELP\\n"}'))).toBe('prometheus-text');
  });
});
