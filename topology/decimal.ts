const DECIMAL = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;

/**
 * The number that a person or a program wrote in decimal notation, as JSON has it too (0.15, 1e-7); NaN where it is
 * anything else. Number() takes 0x1 and an empty text as well, which nobody means.
 */
export function decimal(text: string): number {
  return DECIMAL.test(text.trim()) ? Number(text) : NaN;
}
