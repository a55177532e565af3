/**
 * Columns of rows.npy. A row is one GPU at one time at which it was in service; features.npy has its features,
 * daily.npy what really happened to it in the days before.
 */
export const ROW_COLUMNS = [
  ['gpu', 'number of the GPU in its fleet: rows of one number are of one GPU'],
  ['period', 'number of the period of telemetry, each of which begins anew with an empty window'],
  ['as_of_days', 'time of the row, days since 1970-01-01 UTC'],
  ['absence', '1 for what the engine says when the GPU falls silent, 0 for any other row'],
  ['observed_days', 'days since the telemetry of the period began'],
  ['weight', 'GPUs of the fleet that this one stands for'],
  ['age_days', 'age of the board at the time of the row: where it enters, for survival by age'],
  ['days_to_failure', 'days until it fails, of a silence that is a failure until it is noticed; NaN if none was seen'],
  ['exit_days', 'days until it fails, is retired healthy, or is no longer followed: at least 90 but for the first two'],
  ['type', 'memory 0, thermal 1, power 2, interconnect 3, other 4; -1 if no failure was seen'],
  ['abrupt', '1 if nothing could be seen before the failure, 0 if something could, NaN without a failure'],
  ['batch', 'number of the delivery'],
  ['cage', 'of the rack: 0 bottom, 1 middle, 2 top'],
  ['position', 'in the host, 0 the coolest'],
  [
    'true_risk_7d',
    'probability of failure within 7 days to one who knows all that is, and nothing of what is to come; 1 of what has failed',
  ],
  ['true_risk_30d', 'the same within 30 days'],
  ['true_risk_90d', 'the same within 90 days'],
  ['hazard_7d', 'integral over 7 days of the hazard of this very life, defects that are still to begin included'],
  ['hazard_30d', 'the same over 30 days'],
  ['hazard_90d', 'the same over 90 days'],
] as const;

export type RowColumn = (typeof ROW_COLUMNS)[number][0];
export const ROW_WIDTH = ROW_COLUMNS.length;

/** Places of the columns: `R.weight`. */
export const R = Object.fromEntries(ROW_COLUMNS.map(([name], index) => [name, index])) as Readonly<
  Record<RowColumn, number>
>;
