import type { GpuState } from '../gpu-state.js';
import { xidOf } from '../readings.js';

const two = (value: number): number => Math.round(value * 100) / 100;
const dates = new Map<number, string>();

function isoDate(epochMs: number): string {
  let date = dates.get(epochMs);
  if (date === undefined) dates.set(epochMs, (date = new Date(epochMs).toISOString().slice(0, 10)));
  return date;
}

/** One message a GPU, readings in groups; what the exporter does not send is null. */
export function wideJson(gpu: GpuState, timeMs: number): string {
  const { exporter, facts, faults, work } = gpu;
  const { host } = facts;
  const { model } = host;
  const fb = exporter.framebuffer;
  const ecc = exporter.ecc;
  return (
    `{"schema_version":"1.0","event_type":"gpu_metric_sample","timestamp":"${new Date(timeMs).toISOString()}",` +
    `"gpu":{"gpu_uuid":"${facts.uuid}","device_index":${facts.position},"pci_bus_id":"${facts.pciBusId}","name":"${model.name}"},` +
    `"host":{"hostname":"${host.name}","cluster":"sim","rack":"${host.rack}","datacenter":"dc1"},` +
    `"metrics":{"health":{"gpu_temp_c":${gpu.reportedTemperature},` +
    `"memory_temp_c":${exporter.memoryTemperature ? Math.round(gpu.memoryTemperatureCelsius) : null},` +
    `"power_usage_w":${two(gpu.powerWatts)},"throttle_reasons":${exporter.throttleReasons ? gpu.throttleReasons : null},"xid_last":${xidOf(gpu)}},` +
    `"memory":{"fb_used_mib":${fb ? work.fbUsedMiB : null},"fb_free_mib":${fb ? model.memoryMiB - work.fbUsedMiB : null},"fb_total_mib":${model.memoryMiB},` +
    `"ecc_sbe_volatile":${ecc ? faults.eccSbeVolatile : null},"ecc_dbe_volatile":${ecc ? faults.eccDbeVolatile : null},` +
    `"ecc_sbe_aggregate":${ecc ? faults.eccSbeAggregate : null},"ecc_dbe_aggregate":${ecc ? faults.eccDbeAggregate : null},` +
    `"remap_correctable":${faults.remapCorrectable},"remap_uncorrectable":${faults.remapUncorrectable},"remap_failure":${faults.remapFailure}},` +
    `"performance":{"sm_active_pct":${exporter.smProfiling ? two(work.smActive) : null},"sm_occupancy_pct":${exporter.smProfiling ? two(work.smOccupancy) : null},` +
    `"tensor_active_pct":${exporter.profiling ? two(work.tensorActive) : null},"dram_active_pct":${exporter.profiling ? two(work.dramActive) : null},` +
    `"gpu_utilization_pct":${exporter.gpuUtil ? work.gpuUtil : null},"pcie_replay":${exporter.pcieReplays ? faults.pcieReplays : null}},` +
    `"clocks":{"sm_clock_mhz":${exporter.clocks ? gpu.smClockMhz : null},"mem_clock_mhz":${exporter.clocks ? model.memClockMhz : null}},` +
    `"energy":{"total_energy_consumption_mj":${exporter.energy ? gpu.energyMillijoules : null}}},` +
    `"asset":{"model":"${model.name}","deployment_date":"${isoDate(facts.deploymentMs)}"},"quality":{"collection_latency_ms":0}}`
  );
}

/** One flat message a GPU, names as the metrics; what the exporter does not send is left out. */
export function wideJsonFlat(gpu: GpuState, timeMs: number): string {
  const { exporter, facts, faults, work } = gpu;
  const { model, name } = facts.host;
  const xid = xidOf(gpu);
  let text =
    `{"gpu_uuid":"${facts.uuid}","hostname":"${name}","device":${facts.position},"model":"${model.name}","timestamp":${timeMs},` +
    `"gpu_temp":${gpu.reportedTemperature},"power_usage":${two(gpu.powerWatts)}`;
  if (exporter.memoryTemperature) text += `,"memory_temp":${Math.round(gpu.memoryTemperatureCelsius)}`;
  if (exporter.smProfiling) text += `,"sm_active":${two(work.smActive)},"sm_occupancy":${two(work.smOccupancy)}`;
  if (exporter.throttleReasons) text += `,"throttle_reasons":${gpu.throttleReasons}`;
  if (exporter.ecc) text += `,"ecc_sbe":${faults.eccSbeVolatile},"ecc_dbe":${faults.eccDbeVolatile}`;
  if (exporter.framebuffer) text += `,"memory_utilization":${two((100 * work.fbUsedMiB) / model.memoryMiB)}`;
  if (exporter.gpuUtil) text += `,"gpu_utilization":${work.gpuUtil}`;
  if (exporter.clocks) text += `,"sm_clock_mhz":${gpu.smClockMhz},"mem_clock_mhz":${model.memClockMhz}`;
  if (exporter.pcieReplays) text += `,"pcie_replay":${faults.pcieReplays}`;
  if (xid !== null) text += `,"xid":${xid}`;
  return (
    `${text},"remap_correctable":${faults.remapCorrectable},"remap_uncorrectable":${faults.remapUncorrectable},` +
    `"remap_failure":${faults.remapFailure}}`
  );
}
