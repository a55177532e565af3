/**
 * Ends a long-running command: resolves at the first SIGINT or SIGTERM. A second one ends the process at once, for
 * whoever sends it does not want to wait.
 */
export function untilSignalled(onSecond: () => void): { readonly signalled: Promise<NodeJS.Signals>; release(): void } {
  let resolve: (signal: NodeJS.Signals) => void = () => undefined;
  const signalled = new Promise<NodeJS.Signals>((done) => {
    resolve = done;
  });
  let seen = 0;
  const handler = (signal: NodeJS.Signals): void => {
    seen++;
    if (seen === 1) resolve(signal);
    else onSecond();
  };
  process.on('SIGINT', handler);
  process.on('SIGTERM', handler);
  return {
    signalled,
    release: () => {
      process.off('SIGINT', handler);
      process.off('SIGTERM', handler);
    },
  };
}
