import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compare, lineOf, together, type Item } from './verifier.js';

const item = (key: string | null, id: string, content = `${key} ${id}`): Item => ({ from: 'topic', key, id, content });
const EXPECTED = [item('a', '1'), item('a', '2'), item('b', '1'), item(null, 'x'), item(null, 'y')];

describe('the verifier of a chaos run', () => {
  it('finds nothing where all is there, whatever the order of keys among each other', () => {
    const [a1, a2, b1, x, y] = EXPECTED;
    expect(compare(EXPECTED, [y, b1, a1, x, a2])).toEqual({
      ...{ records: 5, lost: 0, duplicated: 0, differing: 0, examples: [] },
    });
  });

  it('counts what is lost, duplicated, changed, or has no business there', () => {
    const [a1, , b1, x, y] = EXPECTED;
    const verdict = compare(EXPECTED, [a1, a1, { ...b1, content: 'other' }, x, x, y, item('c', '9')]);
    expect(verdict).toMatchObject({ records: 5, lost: 1, duplicated: 2, differing: 2 });
    expect(verdict.examples).toEqual([
      'lost: topic a 2',
      'duplicated: topic a 1',
      'duplicated: topic  x',
      'differing: topic b 1: other in place of b 1',
      'differing: topic c 9 is not to be there: c 9',
    ]);
  });

  it('sees an exchange within a key', () => {
    const [a1, a2, ...rest] = EXPECTED;
    expect(compare(EXPECTED, [a2, a1, ...rest])).toMatchObject({ lost: 0, duplicated: 0, differing: 1 });
  });

  it('tells records of one id apart by what is in them', () => {
    const twice = [item('a', '1', 'p'), item('a', '1', 'q')];
    expect(compare(twice, twice)).toMatchObject({ lost: 0, duplicated: 0, differing: 0 });
    expect(compare(twice, [twice[0], twice[0]])).toMatchObject({ lost: 0, duplicated: 0, differing: 1 });
  });

  it('counts every record that is taken out, doubled or changed', () => {
    const fates = fc.array(fc.constantFrom('kept', 'lost', 'doubled', 'changed'), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(fates, (drawn) => {
        const expected = drawn.map((_, index) => item(`key-${index % 3}`, String(index)));
        const actual = expected.flatMap((one, index) => {
          if (drawn[index] === 'lost') return [];
          if (drawn[index] === 'doubled') return [one, one];
          return [drawn[index] === 'changed' ? { ...one, content: 'other' } : one];
        });
        const count = (fate: string): number => drawn.filter((one) => one === fate).length;
        expect(compare(expected, actual)).toMatchObject({
          ...{ lost: count('lost'), duplicated: count('doubled'), differing: count('changed') },
        });
      }),
    );
  });

  it('says it in one line', () => {
    const verdict = together([compare(EXPECTED, EXPECTED), compare(EXPECTED, [])]);
    expect(lineOf(7, verdict)).toBe('events 7, records 10, 5 lost, 0 duplicated, 0 differing');
  });
});
