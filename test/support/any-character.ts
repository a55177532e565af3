import fc from 'fast-check';

const SURROGATES = { first: 0xd800, count: 0x800 };

/**
 * Any code point but surrogates, for `fc.string({ unit: anyCharacter })`. It draws what fast-check's unit 'binary' draws,
 * which takes a second of a processor to be made, for it lists them all.
 */
export const anyCharacter: fc.Arbitrary<string> = fc
  .nat(0x10ffff - SURROGATES.count)
  .map((place) => String.fromCodePoint(place < SURROGATES.first ? place : place + SURROGATES.count));
