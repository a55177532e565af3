/** A message whose bytes are not what its topic promises. */
export class DecodeError extends Error {
  constructor(
    readonly code: 'malformed' | 'unknown_schema',
    message: string,
  ) {
    super(message);
    this.name = 'DecodeError';
  }
}
