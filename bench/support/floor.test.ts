import { describe, expect, it } from 'vitest';
import { judgeFloor } from './floor.js';

const rows = (perSecond: (second: number) => number) => {
  let count = 0;
  return Array.from({ length: 41 }, (_, second) => ({ atMs: second * 1_000, count: (count += perSecond(second)) }));
};
const run = { waits: [], gpus: 1_000, fromMs: 5_000, untilMs: 40_000, featureRecords: 700, featureRecordsOwed: 700 };

describe('the floor of a throughput run', () => {
  it('holds where each GPU is scored within any 10 s and every features record is written', () => {
    expect(judgeFloor({ ...run, rows: rows(() => 100) })).toBeNull();
  });

  it('makes a run void in which scoring paused for a while, whatever the average', () => {
    expect(judgeFloor({ ...run, rows: rows((second) => (second > 20 && second < 28 ? 0 : 500)) })).toBeNull();
    expect(judgeFloor({ ...run, rows: rows((second) => (second > 20 && second < 30 ? 0 : 500)) })).toContain(
      'rows were scored in 10 s at the least',
    );
  });

  it('makes a run void in which one GPU waited, though enough rows were scored', () => {
    const waits = [
      { atMs: 1_000, count: 30_000 },
      { atMs: 20_000, count: 10_500 },
    ];
    expect(judgeFloor({ ...run, rows: rows(() => 100), waits })).toContain('waited 10500 ms');
    expect(judgeFloor({ ...run, rows: rows(() => 100), waits: waits.slice(0, 1) })).toBeNull();
  });

  it('makes a run void that owes features records', () => {
    expect(judgeFloor({ ...run, rows: rows(() => 100), featureRecords: 699 })).toContain('700 are owed');
  });

  it('takes no account of what was scored before the steady stretch', () => {
    expect(judgeFloor({ ...run, rows: rows((second) => (second < 5 ? 0 : 100)) })).toBeNull();
  });
});
