import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchBuilder, readingsOf } from '../../schema/batch.js';
import { createDecoder } from './decoders.js';
import { propertyRuns } from '../../test/support/property-runs.js';

const TIME = Date.UTC(2026, 10, 23, 10);

class Reader {
  private readonly decoder = createDecoder('prometheus-text', { profUnit: 'percent', maxMessageBytes: 1 << 20 });
  private readonly builder = new BatchBuilder(4);

  /** @param end of each line: a blank is nothing to the format, but no line that has one is a regular one */
  constructor(private readonly end: '\n' | ' \n') {}

  read(lines: readonly string[], timestampMs: number): object {
    const rejected: string[] = [];
    const value = Buffer.from(lines.map((line) => line + this.end).join(''), 'latin1');
    const outcome = this.decoder.decode(
      { topic: 'raw', partition: 0, offset: 7, timestampMs, key: null, value },
      this.builder,
      (reason, gpu, metric, detail) => rejected.push([reason, gpu, metric, detail.trim()].join(' | ')),
    );
    const batch = this.builder.build();
    const samples = Array.from({ length: batch.count }, (_, row) => ({
      gpu: batch.gpus[batch.gpuIndex[row]],
      time: batch.eventTimeMs[row],
      readings: readingsOf(batch, row),
      metadata: batch.metadataIndex[row] < 0 ? null : batch.metadata[batch.metadataIndex[row]],
    }));
    return { outcome, rejected, samples };
  }
}

const name = fc.constantFrom(
  'DCGM_FI_DEV_GPU_TEMP',
  'DCGM_FI_DEV_MEMORY_TEMP',
  'DCGM_FI_DEV_POWER_USAGE',
  'DCGM_FI_PROF_SM_ACTIVE',
  'DCGM_FI_DEV_FB_USED',
  'DCGM_FI_DEV_GPU_UTIL_RATIO',
  'DCGM_FI_DEV_SM_CLOCK_HERTZ',
  'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION',
  'DCGM_FI_DEV_XID_ERRORS',
  'DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT',
  'DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL',
  'DCGM_FI_DEV_NVLINK_BANDWIDTH_L0',
  'up',
  '9lives',
  ':odd',
  'é',
  '',
);
const labels = fc.constantFrom(
  'gpu="0",UUID="GPU-a",modelName="NVIDIA H100",Hostname="n1"',
  'gpu="1",UUID="GPU-b",modelName="NVIDIA H100",Hostname="n1"',
  'gpu="0",UUID="GPU-a",Hostname="other"',
  'UUID="GPU-a",GPU_I_ID="3"',
  'UUID="GPU-a",nvlink="3"',
  'UUID="GPU-b",nvlink="99"',
  'gpu="0"',
  '',
  'UUID="GPU-a",err="} 5"',
  'UUID="GPU-a",err="}"',
  'UUID="n\\"2"',
  'UUID="GPU-a',
  'UUID="GPU-a",Hostname="\xe9"',
);
const digits = (most: number) => fc.stringMatching(new RegExp(`^[0-9]{1,${most}}$`));
const value = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: -2, max: 130 }).map(String) },
  { weight: 5, arbitrary: fc.tuple(fc.nat(120), digits(18)).map(([a, b]) => `${a}.${b}`) },
  { weight: 3, arbitrary: fc.double({ noNaN: true }).map(String) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(digits(3), digits(12), fc.integer({ min: -30, max: 30 }))
      .map(([a, b, e]) => `${a}.${b}e${e < 0 ? '' : '+'}${e}`),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      'NaN',
      '+Inf',
      '-Inf',
      '1.',
      '.5',
      '+7',
      '007',
      '1.98e+09',
      '1E3',
      '1e',
      '-',
      '2147483632',
      '140737488355328',
      '9223372036854775807',
      '1.4073748835532800e+14',
      '<<<NULL>>>',
      'hot',
      '0x10',
      '',
      '-0',
    ),
  },
);
const time = fc.oneof(
  { weight: 4, arbitrary: fc.constant('') },
  { weight: 2, arbitrary: fc.constantFrom(` ${TIME}`, ` ${TIME - 5000}`, ` -5`, ' 99999999999999999', ' soon', '  7') },
);
const line = fc.oneof(
  { weight: 12, arbitrary: fc.tuple(name, labels, value, time).map(([a, b, c, d]) => `${a}{${b}} ${c}${d}`) },
  { weight: 1, arbitrary: fc.tuple(name, value).map(([a, b]) => `${a} ${b}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '# HELP x y',
      '# TYPE x gauge',
      '',
      'what is this?',
      '}{',
      'up{} 1\r',
      'DCGM_FI_DEV_GPU_TEMP{UUID="GPU-a"}  61',
    ),
  },
);

describe('regular lines of exposition text', () => {
  it('give what any other way to write them gives, scrape after scrape', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(line, { maxLength: 8 }), { minLength: 1, maxLength: 6 }),
        fc.constantFrom(TIME, TIME, -1),
        (scrapes, timestampMs) => {
          const regular = new Reader('\n');
          const other = new Reader(' \n');
          for (const lines of [...scrapes, ...scrapes])
            expect(regular.read(lines, timestampMs)).toEqual(other.read(lines, timestampMs));
        },
      ),
      { numRuns: propertyRuns(1500) },
    );
  });

  it('are read to the last one where the text ends in the middle of a number', () => {
    const decoder = createDecoder('prometheus-text', { profUnit: 'percent', maxMessageBytes: 1 << 20 });
    const builder = new BatchBuilder(4);
    const text = 'DCGM_FI_DEV_GPU_TEMP{UUID="GPU-a"} 61\nDCGM_FI_DEV_SM_CLOCK{UUID="GPU-a"} 19805';
    // The bytes that follow in memory are another message's.
    const value = Buffer.from(text).subarray(0, text.length - 1);
    decoder.decode(
      { topic: 'raw', partition: 0, offset: 7, timestampMs: TIME, key: null, value },
      builder,
      () => undefined,
    );
    expect(readingsOf(builder.build(), 0)).toEqual({ gpu_temp: 61, sm_clock: 1980 });
  });
});
