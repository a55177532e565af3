import { SingleBar } from 'cli-progress';

/** How long a replay runs before a terminal-less log gets a line, and between two of them. */
const LINE_EVERY_MS = 10_000;

export interface Progress {
  /** Bytes of input taken in, and lines. */
  update(bytes: number, lines: number): void;
  stop(): void;
}

/** A bar on a terminal, else a line now and then; on stderr, for stdout may be the output. */
export function progressOf(stderr: NodeJS.WritableStream & { isTTY?: boolean }, totalBytes: number | null): Progress {
  if (stderr.isTTY && totalBytes !== null) return barOf(stderr, totalBytes);
  let next = performance.now() + LINE_EVERY_MS;
  return {
    update(bytes, lines) {
      if (performance.now() < next) return;
      next = performance.now() + LINE_EVERY_MS;
      const share = totalBytes === null ? '' : ` (${Math.floor((100 * bytes) / Math.max(1, totalBytes))} %)`;
      stderr.write(`replay: ${lines} lines, ${Math.round(bytes / 1e6)} MB${share}\n`);
    },
    stop: () => undefined,
  };
}

function barOf(stderr: NodeJS.WritableStream, totalBytes: number): Progress {
  const bar = new SingleBar({
    format: 'replay [{bar}] {percentage} % | {lines} lines | {eta_formatted} left',
    stream: stderr,
    hideCursor: true,
    clearOnComplete: true,
    etaBuffer: 50,
  });
  bar.start(Math.max(1, totalBytes), 0, { lines: 0 });
  return {
    update: (bytes, lines) => bar.update(bytes, { lines }),
    stop: () => bar.stop(),
  };
}
