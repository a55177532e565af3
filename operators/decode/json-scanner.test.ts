import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyCharacter } from '../../test/support/any-character.js';
import { propertyRuns } from '../../test/support/property-runs.js';
import { share } from '../../test/support/share.js';
import { BatchBuilder, readingsOf, type SampleMetadata } from '../../schema/batch.js';
import type { Decoder, DecodeOptions } from './decoder.js';
import { createDecoder, type MessageFormat } from './decoders.js';

const OPTIONS: DecodeOptions = { profUnit: 'percent', maxMessageBytes: 4096 };

interface Sample {
  readonly gpu: string;
  readonly time: number;
  readonly readings: Record<string, number>;
  readonly metadata: SampleMetadata | null;
}

/** Takes messages as ingest does: the fast way where it is open, else the parser's. */
class Reader {
  readonly decoder: Decoder;
  private readonly builder = new BatchBuilder(4);
  /** Messages that went the fast way. */
  scanned = 0;

  constructor(
    format: MessageFormat,
    options: Partial<DecodeOptions>,
    private readonly fast: boolean,
  ) {
    this.decoder = createDecoder(format, { ...OPTIONS, ...options });
  }

  /** A message by itself: not at the start of its memory, as in a record batch, and followed by what must not be read. */
  read(value: Buffer): object {
    return this.readIn(Buffer.concat([Buffer.from('7'), value, Buffer.from('5}')]), 1, 1 + value.length);
  }

  readIn(bytes: Buffer, start: number, end: number): object {
    const value = bytes.subarray(start, end);
    const rejected: string[] = [];
    const reject = (...what: unknown[]): void => void rejected.push(what.join(' | '));
    let outcome = 'samples';
    if (this.fast && this.decoder.decodeAt!(bytes, start, end, this.builder, reject)) this.scanned++;
    else {
      const message = { topic: 'raw', partition: 0, offset: 7, timestampMs: 0, key: null, value };
      const result = this.decoder.decode(message, this.builder, reject);
      if (result.kind === 'dead-letter') outcome = `${result.code}: ${result.detail}`;
    }
    const batch = this.builder.build();
    const samples = Array.from({ length: batch.count }, (_, row): Sample => ({
      gpu: batch.gpus[batch.gpuIndex[row]],
      time: batch.eventTimeMs[row],
      readings: readingsOf(batch, row),
      metadata: batch.metadataIndex[row] < 0 ? null : batch.metadata[batch.metadataIndex[row]],
    }));
    return { outcome, rejected, samples };
  }
}

const digits = (most: number) => fc.stringMatching(new RegExp(`^[0-9]{1,${most}}$`));
/** A JSON value's text: mostly plain, often not. */
const scalar = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -3, max: 150 }).map(String) },
  { weight: 4, arbitrary: fc.tuple(fc.integer({ min: 0, max: 120 }), digits(4)).map(([a, b]) => `${a}.${b}`) },
  { weight: 2, arbitrary: fc.tuple(digits(17), digits(17)).map(([a, b]) => `${Number(a)}.${b}`) },
  { weight: 1, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      'null',
      'true',
      '"12"',
      '"hot"',
      '"<<<NULL>>>"',
      'NaN',
      '{}',
      '[]',
      '[1,{"gpu_temp":2}]',
      '0',
      '-0',
      '00',
      '1.',
      '.5',
      '1e2',
      '2E-1',
      '2147483632',
      '9223372036854775807',
      '140737488355328',
      '4294967295',
      '123456789012345',
      '0.000000000000001',
      '1e400',
      '-',
    ),
  },
);
const text = fc
  .oneof(
    { weight: 5, arbitrary: fc.constantFrom('node-1', 'node-2', '', 'NVIDIA A100-SXM4-80GB', '2024-02-01') },
    { weight: 1, arbitrary: fc.string({ unit: anyCharacter, maxLength: 4 }) },
  )
  .map((value) => JSON.stringify(value));
const uuid = fc
  .oneof(
    { weight: 8, arbitrary: fc.constantFrom('GPU-a', 'GPU-b', 'GPU-c') },
    { weight: 1, arbitrary: fc.constantFrom('', 'a b', 'ä', 'x'.repeat(129)) },
  )
  .map((value) => JSON.stringify(value));
const epoch = fc.constantFrom(
  '1760605200001',
  '1760605200002',
  '1.7606052e12',
  '1760605200001.75',
  '-5',
  '99999999999999999',
);
const iso = fc.constantFrom(
  '"2026-11-23T10:00:00.123456+00:00"',
  '"2026-11-23T10:00:01Z"',
  '"2026-11-24T23:59:59.9"',
  '"2026-11-23T10:00:00+02:00"',
  '"2026-02-30T10:00:00Z"',
  '"2026-11-23"',
  '"2026-11-23 10:00:00"',
  '"2026-11-23T25:00:00Z"',
  '"2026-11-23T10:00:00.1234567890123Z"',
  '""',
  '"x"',
);
const time = fc.oneof({ weight: 5, arbitrary: epoch }, { weight: 5, arbitrary: iso }, { weight: 1, arbitrary: scalar });

const member = (key: string, value: fc.Arbitrary<string>) => value.map((one) => [key, one] as const);
type Members = readonly (readonly [string, string])[];

/** An object's text, with blanks drawn from a style that holds for the whole message. */
function objectText(members: Members, blank: string): string {
  return `{${blank}${members.map(([key, value]) => `${JSON.stringify(key)}:${blank}${value}`).join(`,${blank}`)}${blank}}`;
}

const NUMBERS = [
  'gpu_temp',
  'memory_temp',
  'power_usage',
  'gpu_utilization',
  'gpu_util',
  'throttle_reasons',
  'ecc_sbe',
  'xid',
  'energy',
  'device',
];
const flat = fc
  .tuple(
    member('gpu_uuid', uuid),
    member('timestamp', time),
    fc.subarray([...NUMBERS, 'hostname', 'model', '__proto__', 'gpu_temp'], { minLength: 1 }),
    fc.infiniteStream(scalar),
    fc.infiniteStream(text),
  )
  .map(([id, at, names, values, texts]): Members => [
    id,
    at,
    ...names.map((name) => [name, (/^(host|model)/.test(name) ? texts : values).next().value as string] as const),
  ]);
const wide = fc
  .tuple(
    uuid,
    time,
    fc.subarray(['gpu_temp_c', 'power_usage_w', 'throttle_reasons', 'xid_last']),
    fc.subarray(['fb_used_mib', 'ecc_sbe_volatile', 'sm_active_pct']),
    fc.infiniteStream(scalar),
    fc.infiniteStream(text),
  )
  .map(([id, at, health, memory, values, texts]): Members => {
    const group = (names: string[]): string =>
      objectText(
        names.map((name) => [name, values.next().value as string]),
        '',
      );
    const next = (): string => texts.next().value as string;
    return [
      ['timestamp', at],
      ['gpu', `{"gpu_uuid":${id},"name":${next()},"device_index":${values.next().value as string}}`],
      ['host', `{"hostname":${next()}}`],
      ['metrics', `{"health":${group(health)},"memory":${group(memory)},"performance":${group(memory)}}`],
      ['asset', `{"model":${next()},"deployment_date":${next()},"warranty_end":${next()}}`],
    ];
  });

interface Mutation {
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly cut: number;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: share,
  bytes: fc.oneof(
    fc.uint8Array({ maxLength: 3 }),
    fc.constantFrom(...',:{}"\\0eE.-[] n').map((one): Uint8Array => Buffer.from(one)),
  ),
  cut: fc.nat(3),
});
const mutations: fc.Arbitrary<readonly Mutation[]> = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  { weight: 1, arbitrary: fc.array(mutation, { maxLength: 2 }) },
);

/** A producer's messages: one form, then values that differ, some of them spoilt. */
const messages = (members: fc.Arbitrary<Members>) =>
  fc.array(
    fc.record({
      members,
      order: fc.integer({ min: 0, max: 1 }),
      blank: fc.constantFrom('', '', ' ', '\n\t'),
      mutations,
      again: fc.integer({ min: 1, max: 3 }),
    }),
    { minLength: 1, maxLength: 12 },
  );

interface Drawn {
  readonly members: Members;
  readonly order: number;
  readonly blank: string;
  readonly mutations: readonly Mutation[];
}

function bytesOf({ members, order, blank, mutations }: Drawn): Buffer {
  let bytes = Buffer.from(objectText(order === 0 ? members : [...members].reverse(), blank));
  for (const { at, bytes: inserted, cut } of mutations) {
    const position = Math.floor(at * bytes.length);
    bytes = Buffer.concat([bytes.subarray(0, position), inserted, bytes.subarray(position + cut)]);
  }
  return bytes;
}

describe('the fast way through JSON', () => {
  it.each([
    ['wide-json-flat', flat, {}],
    ['wide-json', wide, {}],
    ['wide-json', wide, { profUnit: 'ratio' }],
  ] as [MessageFormat, fc.Arbitrary<Members>, Partial<DecodeOptions>][])(
    'gives what the parser gives, whatever arrives: %s',
    (format, members, options) => {
      fc.assert(
        fc.property(messages(members), (drawn) => {
          const fast = new Reader(format, options, true);
          const slow = new Reader(format, options, false);
          for (const one of drawn)
            for (let i = 0; i < one.again; i++) expect(fast.read(bytesOf(one))).toEqual(slow.read(bytesOf(one)));
        }),
        { numRuns: propertyRuns(300) },
      );
    },
  );

  it('reads every number just as JSON.parse does', () => {
    const number = fc.oneof(
      fc.tuple(fc.constantFrom('', '-'), digits(9), digits(9)).map(([sign, a, b]) => `${sign}${Number(a)}.${b}`),
      fc.tuple(fc.constantFrom('', '-'), digits(16)).map(([sign, a]) => `${sign}${BigInt(a)}`),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
    );
    const message = (value: string): Buffer =>
      Buffer.from(`{"gpu_uuid":"GPU-a","timestamp":1760605200001,"energy":${value},"xid":1}`);
    const fast = new Reader('wide-json-flat', {}, true);
    const slow = new Reader('wide-json-flat', {}, false);
    fast.read(message('1'));
    const numRuns = propertyRuns(2000);
    fc.assert(
      fc.property(number, (value) => {
        expect(fast.read(message(value))).toEqual(slow.read(message(value)));
      }),
      { numRuns },
    );
    expect(fast.scanned).toBeGreaterThan(numRuns / 2);
  });

  it('is taken by every message of a regular producer but the first of each form', () => {
    const reader = new Reader('wide-json-flat', {}, true);
    const one = (temperature: string, host: string): Buffer =>
      Buffer.from(
        `{"gpu_uuid":"GPU-${host}","hostname":"${host}","timestamp":1760605200001,"gpu_temp":${temperature},"sm_active":12.5}`,
      );
    for (const temperature of ['61', '62.5', 'null', '999', '63'])
      for (const host of ['a', 'b']) reader.read(one(temperature, host));
    expect(reader.scanned).toBe(9);
    reader.read(Buffer.from('{"timestamp":1760605200001,"gpu_uuid":"GPU-a","gpu_temp":60}'));
    reader.read(one('64', 'c'));
    expect(reader.scanned).toBe(10);
  });

  it('stops learning from a source that is never twice the same, and still reads it', () => {
    const fast = new Reader('wide-json-flat', {}, true);
    const slow = new Reader('wide-json-flat', {}, false);
    for (let i = 0; i < 200; i++) {
      const message = Buffer.from(`{"gpu_uuid":"GPU-a","timestamp":1760605200001,"gpu_temp":60,"key${i}":1}`);
      expect(fast.read(message)).toEqual(slow.read(message));
    }
    expect(fast.scanned).toBe(0);
  });

  it('reads a block of more messages than it looks at together, whatever lies between them', () => {
    const parts: Buffer[] = [];
    const places: [number, number][] = [];
    let length = 0;
    for (let i = 0; i < 6000; i++) {
      // Here and there one that is longer than what is looked at together.
      const host = i % 2000 === 1999 ? 'h'.repeat(300_000) : `node-${i >> 3}`;
      const gap = Buffer.alloc(i % 7, '"');
      const message = Buffer.from(
        `{"gpu_uuid":"GPU-${500 + (i % 500)}","hostname":"${host}","timestamp":${1760605200000 + i},"gpu_temp":${30 + (i % 60)}}`,
      );
      parts.push(gap, message);
      places.push([length + gap.length, length + gap.length + message.length]);
      length += gap.length + message.length;
    }
    const block = Buffer.concat(parts);
    const fast = new Reader('wide-json-flat', { maxMessageBytes: 1_000_000 }, true);
    const slow = new Reader('wide-json-flat', { maxMessageBytes: 1_000_000 }, false);
    for (const [start, end] of places) expect(fast.readIn(block, start, end)).toEqual(slow.readIn(block, start, end));
    expect(fast.scanned).toBe(6000 - 1 - 3);
  });

  it('goes on with more GPUs than it had room for', () => {
    const gpus = 60_000;
    const reader = new Reader('wide-json-flat', {}, true);
    const message = (gpu: number, temperature: number): Buffer =>
      Buffer.from(
        `{"gpu_uuid":"GPU-${String(gpu).padStart(36, '0')}","hostname":"node-${gpu}","timestamp":1760605200001,"gpu_temp":${temperature}}`,
      );
    const wrong: number[] = [];
    const read = (gpu: number, temperature: number): void => {
      const { samples } = reader.read(message(gpu, temperature)) as { samples: Sample[] };
      const [{ gpu: uuid, readings, metadata }] = samples;
      const right = uuid === `GPU-${String(gpu).padStart(36, '0')}` && metadata?.host === `node-${gpu}`;
      if (!right || readings.gpu_temp !== temperature) wrong.push(gpu);
    };
    for (let gpu = 0; gpu < gpus; gpu++) read(gpu, 60);
    // It began anew twice, with the message that did not fit any more and the one after it; and it had to learn the first.
    expect(reader.scanned).toBe(gpus - 5);
    for (let gpu = 0; gpu < gpus; gpu += 100) read(gpu, 61);
    expect(reader.scanned).toBe(gpus - 5 + gpus / 100);
    expect(wrong).toEqual([]);
  });

  it('leaves messages above the size limit to be refused', () => {
    const reader = new Reader('wide-json-flat', { maxMessageBytes: 100 }, true);
    const message = (note: string) =>
      Buffer.from(`{"gpu_uuid":"GPU-a","timestamp":1760605200001,"gpu_temp":60,"note":"${note}"}`);
    reader.read(message(''));
    expect(reader.read(message('x'.repeat(100)))).toMatchObject({
      outcome: expect.stringMatching(/^oversized/) as string,
    });
  });
});
