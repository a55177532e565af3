/** What every role is to the process that runs it. */
export interface Role {
  readonly name: 'ingest' | 'score' | 'load' | 'serve' | 'alerts';
  /** Starts working; rejects if that is not possible at all. Resolves before the role is necessarily ready. */
  start(): Promise<void>;
  readiness(): Readiness;
  /** What /debug/state shows beside the readiness: anything JSON can say, or a promise of it. */
  state?(): unknown;
  /** Finishes what is in hand, commits it and lets go; safe to call twice. */
  stop(): Promise<void>;
}

export interface Readiness {
  readonly ready: boolean;
  /** What is being waited for, or how it goes; one line. */
  readonly detail: string;
  /** Where it is not ready: it waits for something outside that no other role of the process needs. */
  readonly waitsAlone?: boolean;
}

/** What a role gets from its process. */
export interface RoleContext {
  readonly log: Log;
  /** Called once with an error the role cannot go on after; the process ends. */
  readonly fail: (error: Error) => void;
}

/** The part of a pino logger that the engine uses. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
