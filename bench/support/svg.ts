/** Charts as SVG text: bars and lines, enough for the plots of benchmarks and readable as a diff. */

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** Lowest and highest repeat. */
  readonly spread?: readonly [number, number];
  /** Set apart from the others: what the plot is about. */
  readonly marked?: boolean;
}

export interface BarChart {
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly Bar[];
}

export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface LineChart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** Steps of the same factor lie equally far apart. */
  readonly logarithmicX?: boolean;
  readonly lines: readonly Line[];
}

const WIDTH = 720;
const FONT = 'font-family="system-ui, sans-serif"';
const INK = '#1f2937';
const FAINT = '#d1d5db';
const COLOURS = ['#2563eb', '#d97706', '#059669', '#7c3aed'];
const MARKED = COLOURS[0];
const PLAIN = '#9ca3af';

const TITLE_HEIGHT = 44;
const BAR_HEIGHT = 22;
const BAR_STEP = 32;
/** Of labels at least, and what a character of theirs takes at most. */
const LABEL_WIDTH = 240;
const CHARACTER_WIDTH = 7.5;
const VALUE_WIDTH = 110;

export function barChart({ title, unit, bars }: BarChart): string {
  const most = Math.max(...bars.map(({ value, spread }) => Math.max(value, spread?.[1] ?? 0)));
  const longest = Math.max(...bars.map(({ label }) => label.length));
  const labelWidth = Math.max(LABEL_WIDTH, Math.ceil(CHARACTER_WIDTH * longest) + 12);
  const room = WIDTH - labelWidth - VALUE_WIDTH;
  const widthOf = (value: number): number => round((value / most) * room);
  const rows = bars.map(({ label, value, spread, marked }, index) => {
    const y = TITLE_HEIGHT + index * BAR_STEP;
    const middle = y + BAR_HEIGHT / 2;
    const whisker =
      spread === undefined
        ? ''
        : `<line x1="${labelWidth + widthOf(spread[0])}" y1="${middle}" x2="${labelWidth + widthOf(spread[1])}" y2="${middle}" stroke="${INK}" stroke-width="2"/>`;
    const end = labelWidth + Math.max(widthOf(value), widthOf(spread?.[1] ?? 0));
    return (
      text(labelWidth - 8, middle + 5, label, 'end') +
      `<rect x="${labelWidth}" y="${y}" width="${widthOf(value)}" height="${BAR_HEIGHT}" fill="${marked ? MARKED : PLAIN}"/>` +
      whisker +
      text(end + 8, middle + 5, short(value), 'start')
    );
  });
  return svg(TITLE_HEIGHT + bars.length * BAR_STEP + 8, [heading(`${title} (${unit})`), ...rows]);
}

const PLOT = { left: 70, right: 30, top: 64, bottom: 56, height: 340 };
const TICKS = 5;

export function lineChart({ title, xLabel, yLabel, logarithmicX, lines }: LineChart): string {
  const points = lines.flatMap((line) => line.points);
  const along = (x: number): number => (logarithmicX ? Math.log(x) : x);
  const xs = points.map(([x]) => along(x));
  const [leastX, mostX] = [Math.min(...xs), Math.max(...xs)];
  const mostY = niceCeiling(Math.max(...points.map(([, y]) => y)));
  const { left, right, top, bottom, height } = PLOT;
  const xOf = (x: number): number =>
    round(left + (mostX === leastX ? 0.5 : (along(x) - leastX) / (mostX - leastX)) * (WIDTH - left - right));
  const yOf = (y: number): number => round(height - bottom - (y / mostY) * (height - top - bottom));
  const grid = Array.from({ length: TICKS + 1 }, (_, tick) => (tick * mostY) / TICKS).map(
    (y) =>
      `<line x1="${left}" y1="${yOf(y)}" x2="${WIDTH - right}" y2="${yOf(y)}" stroke="${FAINT}"/>` +
      text(left - 8, yOf(y) + 5, short(y), 'end'),
  );
  const marks = [...new Set(points.map(([x]) => x))].map((x) => text(xOf(x), height - bottom + 20, short(x), 'middle'));
  const drawn = lines.map(({ name, points: own }, index) => {
    const colour = COLOURS[index % COLOURS.length];
    const [lastX, lastY] = own.at(-1)!;
    return (
      `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${own.map(([x, y]) => `${xOf(x)},${yOf(y)}`).join(' ')}"/>` +
      own.map(([x, y]) => `<circle cx="${xOf(x)}" cy="${yOf(y)}" r="4" fill="${colour}"/>`).join('') +
      text(xOf(lastX) - 8, yOf(lastY) - 10, name, 'end', colour)
    );
  });
  return svg(height, [
    heading(title),
    ...grid,
    ...marks,
    text((left + WIDTH - right) / 2, height - 12, xLabel, 'middle'),
    text(8, top - 18, yLabel, 'start'),
    ...drawn,
  ]);
}

/** 1, 2 or 5 times a power of ten, at least the value. */
export function niceCeiling(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((nice) => nice >= value * (1 - 1e-9))!;
}

/** Three digits and the thousands as a letter: 1.23M, 45.6k, 0.789. */
export function short(value: number): string {
  for (const [size, letter] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const)
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(3))}${letter}`;
  return String(Number(value.toPrecision(3)));
}

const round = (pixels: number): number => Math.round(pixels * 10) / 10;

const escaped = (value: string): string =>
  value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function text(x: number, y: number, value: string, anchor: 'start' | 'middle' | 'end', colour = INK): string {
  return `<text x="${x}" y="${y}" ${FONT} font-size="14" fill="${colour}" text-anchor="${anchor}">${escaped(value)}</text>`;
}

const heading = (title: string): string =>
  `<text x="8" y="24" ${FONT} font-size="16" font-weight="600" fill="${INK}">${escaped(title)}</text>`;

function svg(height: number, parts: readonly string[]): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">\n` +
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>\n${parts.join('\n')}\n</svg>\n`
  );
}
