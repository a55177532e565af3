import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { say } from './support/say.js';
import { barChart, lineChart, type Bar } from './support/svg.js';

/** Results as the benchmarks keep them with --record. */
type Result = Record<string, unknown>;

/** A plot, from the results of one or more benchmarks; null where what it needs was not measured. */
interface Plot {
  readonly name: string;
  readonly needs: readonly string[];
  readonly draw: (...results: Result[]) => string | null;
}

const spread = (result: Result, name: string): [number, number] | undefined =>
  result[`${name}Spread`] as [number, number] | undefined;

function bar(label: string, result: Result, name: string, marked = false): Bar {
  return { label, value: result[name] as number, spread: spread(result, name), marked };
}

interface Length {
  readonly windowDays: number;
  readonly microsPerFeatureRow: number;
  readonly closingMicrosPerGpu: number;
}

const byLength = (
  windows: readonly Length[],
  figure: 'microsPerFeatureRow' | 'closingMicrosPerGpu',
): (readonly [number, number])[] => windows.map((one) => [one.windowDays, one[figure]] as const);

const NAMES = { engine: 'engine: ingest and score', flink: 'Flink', streams: 'Kafka Streams' } as const;

function contenders(peers: Result, figure: string): Bar[] {
  return (Object.keys(NAMES) as (keyof typeof NAMES)[]).flatMap((name) =>
    peers[name] === undefined ? [] : [bar(NAMES[name], peers[name] as Result, figure, name === 'engine')],
  );
}

const PLOTS: readonly Plot[] = [
  {
    name: 'engine-throughput',
    needs: ['engine-wide-json-flat'],
    draw: (engine) =>
      barChart({
        title: 'Flat JSON, one record a message, to features and predictions',
        unit: 'records/s',
        bars: [
          bar('bare drain', engine, 'bareSamplesPerSecond'),
          bar('drain and JSON.parse', engine, 'bareParsedSamplesPerSecond'),
          bar('engine: ingest and score', engine, 'samplesPerSecond', true),
        ],
      }),
  },
  {
    name: 'engine-cpu',
    needs: ['engine-wide-json-flat'],
    draw: (engine) =>
      barChart({
        title: 'CPU of a record',
        unit: 'µs, all processes but the broker',
        bars: [
          bar('bare drain', engine, 'bareCpuMicrosPerSample'),
          bar('drain and JSON.parse', engine, 'bareParsedCpuMicrosPerSample'),
          bar('engine: ingest and score', engine, 'cpuMicrosPerSample', true),
        ],
      }),
  },
  {
    name: 'profile',
    needs: ['engine-wide-json-flat'],
    draw: ({ profile }) =>
      profile === undefined
        ? null
        : barChart({
            title: 'Where the main threads of ingest and score spend their time',
            unit: '%',
            bars: Object.entries(profile as Record<string, number>).map(([label, share]) => ({
              label,
              value: 100 * share,
            })),
          }),
  },
  {
    name: 'latency',
    needs: ['latency'],
    draw: (latency) => {
      const { burst, bare, http } = latency as Record<string, Record<string, number>>;
      const bars = ([name, figures]: readonly [string, Record<string, number>], marked: boolean): Bar[] =>
        (['p50Ms', 'p99Ms', 'p999Ms', 'maxMs'] as const).map((quantile) => ({
          label: `${name}, ${quantile === 'maxMs' ? 'max' : quantile.replace('Ms', '').replace('p999', 'p99.9')}`,
          value: figures[quantile],
          marked,
        }));
      return barChart({
        title: 'From a raw reading to its prediction',
        unit: 'ms',
        bars: [
          ...bars(['bare consumer of the reading', bare], false),
          ...bars(['prediction', latency as Record<string, number>], true),
          { label: 'risk that jumped, over HTTP, max', value: http.maxMs, marked: true },
          ...bars(['all GPUs in a second', burst], false),
        ],
      });
    },
  },
  {
    name: 'window-lengths',
    needs: ['windows'],
    draw: ({ windows }) =>
      windows === undefined
        ? null
        : lineChart({
            title: 'A row of features, by the length of the window',
            xLabel: 'days',
            yLabel: 'µs',
            lines: [{ name: 'features of a GPU', points: byLength(windows as Length[], 'microsPerFeatureRow') }],
          }),
  },
  {
    name: 'window-closing',
    needs: ['windows'],
    draw: ({ windows }) =>
      windows === undefined
        ? null
        : lineChart({
            title: 'What closing an hour costs, once an hour, by the length of the window',
            xLabel: 'days',
            yLabel: 'µs a GPU',
            lines: [{ name: 'an hour closes', points: byLength(windows as Length[], 'closingMicrosPerGpu') }],
          }),
  },
  {
    name: 'peers-throughput',
    needs: ['peers'],
    draw: (peers) =>
      barChart({ title: 'On the same topic in turn', unit: 'records/s', bars: contenders(peers, 'recordsPerSecond') }),
  },
  {
    name: 'peers-cpu',
    needs: ['peers'],
    draw: (peers) =>
      barChart({
        title: 'CPU of a record',
        unit: 'µs, the broker left out',
        bars: contenders(peers, 'cpuMicrosPerRecord'),
      }),
  },
  {
    name: 'peers-memory',
    needs: ['peers'],
    draw: (peers) =>
      barChart({
        title: 'Memory of all processes',
        unit: 'MB, the heap of the peers as set',
        bars: contenders(peers, 'rssMb'),
      }),
  },
  {
    name: 'scale-processes',
    needs: ['scale'],
    draw: ({ processes }) =>
      barChart({
        title: 'Processes of one group, 8 partitions, the broker on the same machine',
        unit: 'records/s',
        bars: (processes as Result[]).map((one) =>
          bar(`${one.processes as number} of them`, one, 'samplesPerSecond', true),
        ),
      }),
  },
  {
    name: 'scale-fleets',
    needs: ['scale'],
    draw: ({ fleets }) =>
      (fleets as unknown[]).length === 0
        ? null
        : lineChart({
            title: 'A sample in the windows, by the size of the fleet',
            xLabel: 'GPUs',
            yLabel: 'µs',
            logarithmicX: true,
            lines: [
              {
                name: 'fold a sample',
                points: (fleets as { gpus: number; microsPerSample: number }[]).map(
                  ({ gpus, microsPerSample }) => [gpus, microsPerSample] as const,
                ),
              },
            ],
          }),
  },
];

/** Draws what can be drawn from the results in a directory, into it. @returns names of the files */
export function drawPlots(directory: string): string[] {
  const drawn: string[] = [];
  for (const { name, needs, draw } of PLOTS) {
    const files = needs.map((need) => join(directory, `${need}.json`));
    if (!files.every(existsSync)) continue;
    const svg = draw(...files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Result));
    if (svg === null) continue;
    writeFileSync(join(directory, `${name}.svg`), svg);
    drawn.push(`${name}.svg`);
  }
  say(`drawn in ${directory}: ${drawn.join(', ') || 'nothing, for no result is there'}`);
  return drawn;
}
