/**
 * Errors a user may meet, each with a stable code. Metric labels and HTTP bodies use the code, never the message.
 */
export const ERROR_CODES = [
  // configuration and command line
  'config_invalid',
  'config_unreadable',
  'usage',
  'native_missing',
  // input files
  'input_unreadable',
  'output_unwritable',
  'input_invalid',
  'assets_invalid',
  // model
  'model_missing',
  'model_corrupt',
  'model_mismatch',
  'model_golden',
  'model_unsealed',
  'mlflow_unreachable',
  // Kafka
  'kafka_unreachable',
  'kafka_failed',
  'topic_missing',
  'topic_mismatch',
  'dead_letter_limit',
  'state_newer',
  'format_newer',
  'offsets_lost',
  'transaction_failed',
  'drain_incomplete',
  // registry
  'registry_unreachable',
  'registry_incompatible',
  // database
  'database_unreachable',
  'database_failed',
  // HTTP
  'engine_unreachable',
  'bad_request',
  'unknown_gpu',
  'not_found',
  'method_not_allowed',
  'no_features',
  'no_prediction',
  'no_health',
  'no_decision',
  'no_price',
  'not_ready',
  'port_in_use',
  'internal',
  'shutdown_deadline',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

export class ActuaryError extends Error {
  /**
   * @param code stable code, one of {@link ERROR_CODES}
   * @param message what happened and what to do about it, for a person
   */
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = 'ActuaryError';
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
