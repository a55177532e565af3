import { describe, expect, it } from 'vitest';
import { byLabel, parseExposition, sumOf } from './exposition.js';

const TEXT = `# HELP rows Rows
# TYPE rows counter
rows 12
written{topic="samples"} 3
written{topic="features"} 4.5
`;

describe('exposition text of engine processes', () => {
  it('adds up a series over processes', () => {
    const one = parseExposition(TEXT);
    const other = parseExposition('rows 8\n');
    expect(sumOf([one, other], 'rows')).toBe(20);
    expect(sumOf([one, other], 'absent')).toBe(0);
  });

  it('tells the values of a label apart', () => {
    const one = parseExposition(TEXT);
    expect(byLabel([one, one], 'written', 'topic')).toEqual({ samples: 6, features: 9 });
  });
});
