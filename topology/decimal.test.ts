import { describe, expect, it } from 'vitest';
import { decimal } from './decimal.js';

describe('decimal notation', () => {
  it.each([
    ['0.15', 0.15],
    ['1e-7', 1e-7],
    ['-2.50', -2.5],
    ['+3', 3],
    ['.5', 0.5],
    ['5.', 5],
    [' 7 ', 7],
  ])('has %j', (text, value) => expect(decimal(text)).toBe(value));

  it.each(['0x1', '0b1', '0o7', '', ' ', 'Infinity', 'NaN', '1_000', '1,000', '1 0', '.', 'e5', '12px'])(
    'has not %j',
    (text) => expect(decimal(text)).toBeNaN(),
  );
});
