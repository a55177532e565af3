import { constants } from 'node:os';
import type { Log } from './roles/role.js';
import { ActuaryError, messageOf } from '../schema/errors.js';

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

/**
 * Has the first signal end the process at once, after a word, with the status by which a shell knows of it: 128 and the
 * signal's number. For commands that leave nothing half done behind: see at-exit.ts.
 * @returns takes it back
 */
export function endsAtSignal(tell: () => void): () => void {
  const handler = (signal: NodeJS.Signals): void => {
    tell();
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of SIGNALS) process.on(signal, handler);
  return () => {
    for (const signal of SIGNALS) process.off(signal, handler);
  };
}

/** What a client leaves open after a stop does not keep the process for longer. */
const LINGER_MS = 1_000;

/**
 * Stops, and ends the process with 1 if that takes longer than it may: what is in hand is not committed then, and the
 * next start repeats it.
 */
export async function endsWithinDeadline(stop: () => Promise<void>, deadlineMs: number, log: Log): Promise<void> {
  const late = setTimeout(() => {
    log.error(
      { code: 'shutdown_deadline', deadlineMs },
      'not stopped in time: what is in hand is not committed, and is repeated by the next start',
    );
    process.exit(1);
  }, deadlineMs);
  try {
    await stop();
  } finally {
    clearTimeout(late);
    setTimeout(() => process.exit(), LINGER_MS).unref();
  }
}

/** An error that nobody caught ends the process with 1, its code in the log: its state is not to be trusted. */
export function logUncaught(log: Log): () => void {
  const handler = (error: unknown): void => {
    log.error(
      {
        code: error instanceof ActuaryError ? error.code : 'internal',
        stack: error instanceof Error ? error.stack : undefined,
      },
      `uncaught: ${messageOf(error)}`,
    );
    process.exit(1);
  };
  process.on('uncaughtException', handler);
  process.on('unhandledRejection', handler);
  return () => {
    process.off('uncaughtException', handler);
    process.off('unhandledRejection', handler);
  };
}
