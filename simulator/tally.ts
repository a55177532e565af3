/**
 * What really happened to a board, summed up since its telemetry began: no rounding, no reset, no missed scrape. Its
 * differences from day to day are what the observable ceiling is computed from; the engine never sees it.
 */
export const TALLIES = [
  ['sbe', 'single-bit errors', 'ecc'],
  ['dbe', 'double-bit errors', 'ecc'],
  ['remap_correctable', 'rows remapped for correctable errors', 'always'],
  ['remap_uncorrectable', 'rows remapped for uncorrectable errors', 'always'],
  ['remap_failure', 'remaps that found no spare row', 'always'],
  ['xid_memory', 'XIDs 48, 63, 64, 92, 94, 95', 'always'],
  ['xid_power', 'XIDs 62', 'always'],
  ['xid_link', 'XIDs 74', 'always'],
  ['xid_firmware', 'XIDs 109, 119, 120', 'always'],
  ['xid_application', 'XIDs 13, 31, 43, 69', 'always'],
  ['pcie_replays', 'PCIe replays', 'pcieReplays'],
  ['nvlink_errors', 'NVLink errors', 'nvlinkErrors'],
  ['power_brakes', 'power brakes', 'throttleReasons'],
  ['dropouts', 'times in which the GPU did not answer', 'always'],
  ['days', 'days of telemetry', 'always'],
  ['loaded_days', 'days under load, weighted by it', 'always'],
  ['resistance_days', 'thermal resistance, °C/W, × days', 'always'],
  ['power_noise_days', 'noise of the power draw as a share of it, × days', 'always'],
  ['inlet_days', 'temperature of the air taken in, °C, × days', 'always'],
] as const;

export type TallyName = (typeof TALLIES)[number][0];
export const TALLY_COUNT = TALLIES.length;

/** Places of the tallies: `T.sbe`. */
export const T = Object.fromEntries(TALLIES.map(([name], index) => [name, index])) as Readonly<
  Record<TallyName, number>
>;
