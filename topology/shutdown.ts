/** SIGHUP is a terminal that was closed. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Ends a long-running command: resolves at the first of these signals. A second one ends the process at once, for
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
  for (const signal of SIGNALS) process.on(signal, handler);
  return {
    signalled,
    release: () => {
      for (const signal of SIGNALS) process.off(signal, handler);
    },
  };
}
