import type { GpuState } from '../gpu-state.js';

const two = (value: number): number => Math.round(value * 100) / 100;
const dates = new Map<number, string>();

function isoDate(epochMs: number): string {
  let date = dates.get(epochMs);
  if (date === undefined) dates.set(epochMs, (date = new Date(epochMs).toISOString().slice(0, 10)));
  return date;
}

/** One message a GPU, readings in groups; what the exporter does not send is null. */
export function wideJson(gpu: GpuState, timeMs: number): string {
  const { facts } = gpu;
  const { host } = facts;
  const { model } = host;
  const profiled = host.exporter === 'full';
  const counted = host.exporter === 'full';
  const xid = gpu.xid >= 0 ? gpu.xid : host.exporter === 'old' ? null : 0;
  return (
    `{"schema_version":"1.0","event_type":"gpu_metric_sample","timestamp":"${new Date(timeMs).toISOString()}",` +
    `"gpu":{"gpu_uuid":"${facts.uuid}","device_index":${facts.position},"pci_bus_id":"${facts.pciBusId}","name":"${model.name}"},` +
    `"host":{"hostname":"${host.name}","cluster":"sim","rack":"r${host.index >> 2}","datacenter":"dc1"},` +
    `"metrics":{"health":{"gpu_temp_c":${gpu.reportedTemperature},"memory_temp_c":${Math.round(gpu.memoryTemperatureCelsius)},` +
    `"power_usage_w":${two(gpu.powerWatts)},"throttle_reasons":${counted ? gpu.throttleReasons : null},"xid_last":${xid}},` +
    `"memory":{"fb_used_mib":${gpu.fbUsedMiB},"fb_free_mib":${model.memoryMiB - gpu.fbUsedMiB},"fb_total_mib":${model.memoryMiB},` +
    `"ecc_sbe_volatile":${counted ? gpu.eccSbeVolatile : null},"ecc_dbe_volatile":${counted ? gpu.eccDbeVolatile : null},` +
    `"ecc_sbe_aggregate":${counted ? gpu.eccSbeAggregate : null},"ecc_dbe_aggregate":${counted ? gpu.eccDbeAggregate : null},` +
    `"remap_correctable":${gpu.remapCorrectable},"remap_uncorrectable":${gpu.remapUncorrectable},"remap_failure":${gpu.remapFailure}},` +
    `"performance":{"sm_active_pct":${profiled ? two(gpu.smActive) : null},"sm_occupancy_pct":${profiled ? two(gpu.smOccupancy) : null},` +
    `"tensor_active_pct":${host.exporter === 'old' ? null : two(gpu.tensorActive)},"dram_active_pct":${host.exporter === 'old' ? null : two(gpu.dramActive)},` +
    `"gpu_utilization_pct":${gpu.gpuUtil},"pcie_replay":${gpu.pcieReplays}},` +
    `"clocks":{"sm_clock_mhz":${gpu.smClockMhz},"mem_clock_mhz":${model.memClockMhz}},` +
    `"energy":{"total_energy_consumption_mj":${gpu.energyMillijoules}}},` +
    `"asset":{"model":"${model.name}","deployment_date":"${isoDate(facts.deploymentMs)}"},"quality":{"collection_latency_ms":0}}`
  );
}

/** One flat message a GPU, names as the metrics; what the exporter does not send is left out. */
export function wideJsonFlat(gpu: GpuState, timeMs: number): string {
  const { facts } = gpu;
  const { host } = facts;
  const full = host.exporter === 'full';
  const profiled = full
    ? `"sm_active":${two(gpu.smActive)},"sm_occupancy":${two(gpu.smOccupancy)},"throttle_reasons":${gpu.throttleReasons},` +
      `"ecc_sbe":${gpu.eccSbeVolatile},"ecc_dbe":${gpu.eccDbeVolatile},`
    : '';
  const xid = gpu.xid >= 0 ? gpu.xid : host.exporter === 'old' ? null : 0;
  return (
    `{"gpu_uuid":"${facts.uuid}","hostname":"${host.name}","device":${facts.position},"model":"${host.model.name}","timestamp":${timeMs},` +
    `"gpu_temp":${gpu.reportedTemperature},"memory_temp":${Math.round(gpu.memoryTemperatureCelsius)},"power_usage":${two(gpu.powerWatts)},${profiled}` +
    `"memory_utilization":${two((100 * gpu.fbUsedMiB) / host.model.memoryMiB)},"gpu_utilization":${gpu.gpuUtil},` +
    `"sm_clock_mhz":${gpu.smClockMhz},"mem_clock_mhz":${host.model.memClockMhz},"xid":${xid},"pcie_replay":${gpu.pcieReplays},` +
    `"remap_correctable":${gpu.remapCorrectable},"remap_uncorrectable":${gpu.remapUncorrectable},"remap_failure":${gpu.remapFailure}}`
  );
}
