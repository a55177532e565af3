import { pino } from 'pino';
import type { Log } from './roles/role.js';

export type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** JSON lines on stderr, for machines; stdout is left to what commands print. */
export function jsonLog(level: Level, instance: string): Log {
  return pino(
    { level, base: { instance }, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  );
}

const ORDER: readonly Level[] = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

/** Plain lines for a person at a terminal; nothing while `muted` says so. */
export function plainLog(stream: NodeJS.WritableStream, level: Level, muted: () => boolean = () => false): Log {
  const write = (own: Level) => (fields: object, message: string) => {
    if (muted() || ORDER.indexOf(own) < ORDER.indexOf(level)) return;
    const details = Object.entries(fields)
      .map(([key, value]) => `${key}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
      .join(' ');
    stream.write(`${own === 'info' ? '' : `${own}: `}${message}${details === '' ? '' : ` (${details})`}\n`);
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}
