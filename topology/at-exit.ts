const undone = new Set<() => void>();

/**
 * Has something undone when the process exits, whatever makes it exit: a second Ctrl-C, a closed pipe, an uncaught
 * exception. Nothing can be awaited then, so the work is synchronous; errors of it are swallowed.
 * @returns takes the work back, for the orderly end has done it
 */
export function atExit(work: () => void): () => void {
  if (undone.size === 0) process.on('exit', undoAll);
  undone.add(work);
  return () => {
    undone.delete(work);
    if (undone.size === 0) process.off('exit', undoAll);
  };
}

function undoAll(): void {
  for (const work of [...undone].reverse()) {
    try {
      work();
    } catch {
      // The rest is to be undone all the same.
    }
  }
}
