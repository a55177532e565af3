/** What has to be brought to an end before this process may leave, beside child processes and scratch directories. */
const endings = new Set<() => Promise<void>>();

/** @returns forgets it: it has ended by itself */
export function endOnInterrupt(end: () => Promise<void>): () => void {
  endings.add(end);
  return () => void endings.delete(end);
}

/** Turns Ctrl-C and SIGTERM into an orderly end. A second one is not waited for. */
export function exitOnSignals(): void {
  const signals = { SIGINT: 130, SIGTERM: 143 } as const;
  for (const [signal, code] of Object.entries(signals))
    process.once(signal, () => {
      process.once(signal, () => process.exit(code));
      void Promise.allSettled([...endings].map((end) => end())).then(() => process.exit(code));
    });
}
