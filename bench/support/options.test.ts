import { Command } from 'commander';
import { expect, it } from 'vitest';
import { throughput, whole, wholes } from './options.js';

it('takes whole numbers of 1 or more and nothing else', () => {
  expect([whole('1'), whole('3000000')]).toEqual([1, 3_000_000]);
  expect(wholes('1,2,4')).toEqual([1, 2, 4]);
  expect(wholes('-')).toEqual([]);
  for (const text of ['abc', '', '0', '-1', '1.5', '1k', 'NaN', undefined])
    expect(() => whole(text), text).toThrow('a whole number, 1 or more');
  expect(() => wholes('1,x')).toThrow('a whole number, 1 or more');
});

it('names the option that is wrong', () => {
  const command = throughput(new Command('engine'), 1, 1)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  expect(() => command.parse(['--samples', 'abc'], { from: 'user' })).toThrow(
    /option '--samples <n>' argument 'abc' is invalid\. a whole number, 1 or more/,
  );
});
