// Takes what the health of one NVIDIA GPU follows from: counts of errors, reasons of low clocks, the driver's advice.
// It comes with every regular look at the GPU, so it holds nothing that is slow to read.

import { present, presentOrNone, tolerate } from '../absence.ts';
import { type DeviceHealth, recoveryActions, throttleReasons } from '../record.ts';
import { type DeviceHandle, FAILED, type NvmlLibrary } from './library.ts';
import { readNvlinkErrors } from './nvlink-counters.ts';

// Fields of nvmlDeviceGetFieldValues: NVML_FI_DEV_MEMORY_TEMP, NVML_FI_DEV_NVLINK_LINK_COUNT and
// NVML_FI_DEV_GET_GPU_RECOVERY_ACTION of nvml.h.
const fields = [82, 91, 230].map((id) => ({ id, scope: 0 }));

/** Reads everything but the temperature; what the driver does not give, or fails to give, is absent. */
export function readDeviceHealth(nvml: NvmlLibrary, device: DeviceHandle): DeviceHealth {
  const values = tolerate(() => nvml.fieldValues(device, fields)) ?? [];
  const [memoryTemperature, links, action] = values.map((value) => (value === FAILED ? undefined : value));
  return present({
    // Boards whose memory has no sensor are known to answer 0.
    memoryTemperatureCelsius: memoryTemperature || undefined,
    throttleReasons: readThrottleReasons(nvml, device),
    pcieReplays: tolerate(() => nvml.pcieReplays(device)),
    nvlinkErrors: links ? readNvlinkErrors(nvml, device, links) : undefined,
    eccErrors: readEccErrors(nvml, device),
    retiredPages: readRetiredPages(nvml, device),
    remappedRows: readRemappedRows(nvml, device),
    // What a later driver may advise is not known here; nothing less than a reboot is sure to be enough.
    recoveryAction: action === undefined ? undefined : (recoveryActions[action] ?? 'reboot'),
  });
}

/** Counts of memory errors, of a GPU or of a MIG instance. */
export function readEccErrors(nvml: NvmlLibrary, device: DeviceHandle): DeviceHealth['eccErrors'] {
  return presentOrNone({
    volatileCorrected: tolerate(() => nvml.eccErrors(device, 'corrected', 'volatile')),
    volatileUncorrected: tolerate(() => nvml.eccErrors(device, 'uncorrected', 'volatile')),
    aggregateCorrected: tolerate(() => nvml.eccErrors(device, 'corrected', 'aggregate')),
    aggregateUncorrected: tolerate(() => nvml.eccErrors(device, 'uncorrected', 'aggregate')),
  });
}

function readThrottleReasons(nvml: NvmlLibrary, device: DeviceHandle): DeviceHealth['throttleReasons'] {
  const bits = tolerate(() => nvml.clocksEventReasons(device));
  return bits === undefined ? undefined : throttleReasons.filter((_, bit) => (bits & (1 << bit)) !== 0);
}

/** From Ampere on, GPUs remap rows instead of retiring pages. */
function readRetiredPages(nvml: NvmlLibrary, device: DeviceHandle): DeviceHealth['retiredPages'] {
  return presentOrNone({
    singleBit: tolerate(() => nvml.retiredPages(device, 'singleBit')),
    doubleBit: tolerate(() => nvml.retiredPages(device, 'doubleBit')),
    pending: tolerate(() => nvml.retirementPending(device)),
  });
}

function readRemappedRows(nvml: NvmlLibrary, device: DeviceHandle): DeviceHealth['remappedRows'] {
  const rows = tolerate(() => nvml.remappedRows(device));
  if (rows === undefined) return undefined;
  const [correctable, uncorrectable, pending, failed] = rows;
  return { correctable, uncorrectable, pending, failed };
}
