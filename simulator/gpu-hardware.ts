/** GPUs that fleets are made of, as their data sheets and their telemetry have them. */
export interface GpuHardware {
  readonly name: string;
  readonly tdpWatts: number;
  readonly idleWatts: number;
  /** °C a watt at steady state, at a median position. */
  readonly thermalResistance: number;
  readonly memoryMiB: number;
  readonly maxSmClockMhz: number;
  readonly memClockMhz: number;
  /** GPU temperature at which the driver slows clocks. */
  readonly slowdownCelsius: number;
}

export const H100: GpuHardware = {
  name: 'NVIDIA H100 80GB HBM3',
  tdpWatts: 700,
  idleWatts: 70,
  thermalResistance: 0.052,
  memoryMiB: 81559,
  maxSmClockMhz: 1980,
  memClockMhz: 2619,
  slowdownCelsius: 87,
};

export const H200: GpuHardware = {
  name: 'NVIDIA H200',
  tdpWatts: 700,
  idleWatts: 76,
  thermalResistance: 0.052,
  memoryMiB: 143771,
  maxSmClockMhz: 1980,
  memClockMhz: 3201,
  slowdownCelsius: 87,
};

export const A100: GpuHardware = {
  name: 'NVIDIA A100-SXM4-80GB',
  tdpWatts: 400,
  idleWatts: 61,
  thermalResistance: 0.085,
  memoryMiB: 81920,
  maxSmClockMhz: 1410,
  memClockMhz: 1593,
  slowdownCelsius: 92,
};
