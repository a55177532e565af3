/** Series of an exposition text, by name and labels as they are written there. */
export type Series = ReadonlyMap<string, number>;

export function parseExposition(text: string): Series {
  const series = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const space = line.lastIndexOf(' ');
    series.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return series;
}

/** A series of several processes together; what one of them does not expose counts as 0. */
export function sumOf(all: readonly Series[], name: string): number {
  return all.reduce((sum, series) => sum + (series.get(name) ?? 0), 0);
}

/** Values of a metric by the value of its only label, of several processes together. */
export function byLabel(all: readonly Series[], metric: string, label: string): Record<string, number> {
  const values: Record<string, number> = {};
  const pattern = new RegExp(`^${metric}\\{${label}="([^"]*)"\\}$`);
  for (const series of all)
    for (const [name, value] of series) {
      const own = pattern.exec(name)?.[1];
      if (own !== undefined) values[own] = (values[own] ?? 0) + value;
    }
  return values;
}
