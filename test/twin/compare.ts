/** How close the engine has to come to a twin; see docs/features.md. */

/** Features that count: equal, not nearly. */
const EXACT =
  /_count$|_total$|^remap_failure$|^model_|^hours_with_readings$|^throttle_readings$|^(gpu_temp|memory_temp)_(min|max)$/;
/** Extremes are float32 in closed panes. */
const EXTREME = /_(min|max)$/;

/** Differences from a twin's features, in words. @param scales what a tolerance of 1e-6 is of, where not of the value */
export function differences(
  names: readonly string[],
  got: (name: string) => number,
  twin: { readonly values: Record<string, number>; readonly scales: Record<string, number> },
): string[] {
  return names.flatMap((name) => {
    const value = got(name);
    const want = twin.values[name];
    if (want === undefined) return [`${name}: the twin does not know it`];
    if (Number.isNaN(want) || Number.isNaN(value))
      return Object.is(want, value) ? [] : [`${name}: ${value} for ${want}`];
    const relative = 1e-6 * (twin.scales[name] ?? Math.abs(want));
    const tolerance = EXACT.test(name) && !EXTREME.test(name) ? 0 : Math.max(relative, 1e-9);
    return Math.abs(value - want) <= tolerance ? [] : [`${name}: ${value} for ${want} (± ${tolerance})`];
  });
}
