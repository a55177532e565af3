import { describe, expect, it, vi } from 'vitest';
import { TransactionFailed } from '../../sinks/kafka-transactions.js';
import { UnitTransactions } from './unit-transactions.js';

const fails = (): Promise<void> => Promise.reject(new TransactionFailed('commit', new Error('fenced')));
const works = (): Promise<void> => Promise.resolve();

function transactions() {
  const done: string[] = [];
  const parts = {
    reopen: () => Promise.resolve(void done.push('reopen')),
    restart: () => Promise.resolve(void done.push('restart')),
    warn: () => undefined,
  };
  return { done, units: new UnitTransactions(parts) };
}

describe('transactions of units of work', () => {
  it('makes a unit void that failed, and the one begun after it, then begins anew once', async () => {
    vi.useFakeTimers();
    const { done, units } = transactions();
    const [first, second, third] = [{ isVoid: false }, { isVoid: false }, { isVoid: false }];
    expect(await units.step(first, fails)).toBe(false);
    const written = vi.fn(works);
    expect(await units.step(second, written)).toBe(false);
    const recovered = units.recover();
    await vi.runAllTimersAsync();
    await recovered;
    // Begun before, and worked on since: void all the same.
    expect(await units.step(second, written)).toBe(false);
    expect(written).not.toHaveBeenCalled();
    expect(await units.step(third, written)).toBe(true);
    await units.recover();
    expect(done).toEqual(['reopen', 'restart']);
    vi.useRealTimers();
  });

  it('gives up after ten failures in a row, and counts from the last success', async () => {
    vi.useFakeTimers();
    const { units } = transactions();
    const failAndRecover = async (): Promise<void> => {
      await units.step({ isVoid: false }, fails);
      const recovered = units.recover();
      await Promise.all([recovered, vi.runAllTimersAsync()]);
    };
    for (let failure = 0; failure < 10; failure++) await failAndRecover();
    units.succeeded();
    for (let failure = 0; failure < 10; failure++) await failAndRecover();
    await expect(failAndRecover()).rejects.toMatchObject({ code: 'transaction_failed' });
    vi.useRealTimers();
  });

  it('lets other errors through', async () => {
    const { units } = transactions();
    const unit = { isVoid: false };
    await expect(units.step(unit, () => Promise.reject(new Error('a bug')))).rejects.toThrow('a bug');
  });
});
