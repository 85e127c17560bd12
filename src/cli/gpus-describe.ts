// `gpubroker gpus describe`: everything that the node knows of one GPU.
import type { Pci } from '../wire/gpubroker/device/v1/device_details.ts';
import type { Condition } from '../wire/nvidia/device/v1alpha1/gpu.ts';
import { type DeviceView, type GpuView, getGpuView, reasonOf } from './gpu-view.ts';
import type { NodeClient } from './node-client.ts';
import { coloured, formatHealth, formatTable, print, printJson } from './output.ts';
import { absent, formatAge, formatGib, formatGibOf, formatNumber, formatWattsOf } from './quantities.ts';

export async function describeGpu(client: NodeClient, name: string, json: boolean): Promise<void> {
  const gpu = await getGpuView(client, name);
  if (json) printJson(gpu);
  else print(formatDescription(gpu, Date.now()));
}

type Rows = readonly (readonly string[])[];

/** The whole description; `now` in milliseconds since the epoch, for ages. */
export function formatDescription(gpu: GpuView, now: number): string {
  const { device } = gpu;
  const sections: (readonly [title: string, rows: Rows])[] = [['', identity(gpu)]];
  if (device) {
    sections.push(
      ['Hardware', hardware(device)],
      ['PCI', pci(device.pci)],
      ['Limits', limits(device)],
      ['Modes', modes(device)],
      ['Readings', readings(device, now)],
      ['NVLink', nvlinks(device)],
      ['Processes', processes(device)],
      ['Use', use(device)],
    );
  }
  sections.push(['Conditions', conditions(gpu.conditions, now)], ['Identity', evidence(device?.evidence ?? [])]);
  return sections
    .filter(([, rows]) => rows.length > 0)
    .map(([title, rows]) => section(title, rows))
    .join('\n\n');
}

function section(title: string, rows: Rows): string {
  if (title === '') return formatTable(rows);
  const body = formatTable(rows).replaceAll(/^/gm, '  ');
  return `${coloured('bold', title)}\n${body}`;
}

function identity(gpu: GpuView): Rows {
  const reason = reasonOf(gpu);
  return known([
    ['Name', gpu.name],
    ['UUID', gpu.uuid],
    ['Parent', gpu.device?.parent],
    ['Health', formatHealth(gpu.health) + (reason && ` (${[reason, gpu.cause?.message].filter(Boolean).join(': ')})`)],
    ['Recommended action', gpu.recommendedAction],
    ['Stale', gpu.device?.stale ? 'yes: a condition waits to be reported again' : undefined],
    ['Version', String(gpu.resourceVersion)],
  ]);
}

function hardware(device: DeviceView): Rows {
  return known([
    ['Model', device.model],
    ['Vendor', device.vendor],
    ['Architecture', device.architecture],
    ['Compute capability', device.computeCapability],
    ['Multiprocessors', device.multiprocessors],
    ['Memory', device.memory?.totalBytes === undefined ? undefined : formatGib(device.memory.totalBytes)],
    [
      'Memory reserved',
      device.memory?.reservedBytes === undefined ? undefined : formatGib(device.memory.reservedBytes),
    ],
    ['Serial', device.serial],
    ['Board part number', device.boardPartNumber],
    ['VBIOS', device.vbiosVersion],
    ['Driver', device.driverVersion],
    ['CUDA', device.cudaVersion],
    ['Index', device.index],
    ['NUMA node', device.numaNode],
    ['Source', device.source],
  ]);
}

function pci(bus: Pci | undefined): Rows {
  if (!bus) return [];
  const id = (packed: number | undefined) => packed && `0x${packed.toString(16).toUpperCase().padStart(8, '0')}`;
  return known([
    ['Address', bus.busId],
    ['Device', id(bus.deviceId)],
    ['Subsystem', id(bus.subsystemId)],
    ['Generation', nowOfMost(bus.linkGeneration, bus.maxLinkGeneration)],
    ['Lanes', nowOfMost(bus.linkWidth, bus.maxLinkWidth)],
  ]);
}

function limits({ clocks, powerLimits }: DeviceView): Rows {
  const mhz = (value: number | undefined) => value && `${value} MHz`;
  const watts = (value: number | undefined) => value && `${value / 1000} W`;
  return known([
    ['Graphics clock', mhz(clocks?.maxGraphicsMhz)],
    ['SM clock', mhz(clocks?.maxSmMhz)],
    ['Memory clock', mhz(clocks?.maxMemoryMhz)],
    ['Power', watts(powerLimits?.enforcedMilliwatts)],
    ['Power by default', watts(powerLimits?.defaultMilliwatts)],
    ['Least power', watts(powerLimits?.minMilliwatts)],
    ['Most power', watts(powerLimits?.maxMilliwatts)],
  ]);
}

function modes({ ecc, mig, computePartition }: DeviceView): Rows {
  const mode = (value: { enabled: boolean; pending: boolean } | undefined) => {
    if (!value) return undefined;
    const change = value.pending === value.enabled ? '' : `, ${value.pending ? 'on' : 'off'} after the next reset`;
    return `${value.enabled ? 'on' : 'off'}${change}`;
  };
  return known([
    ['ECC', mode(ecc)],
    ['MIG', mode(mig)],
    ...(mig?.instanceUuids ?? []).map((uuid) => ['MIG instance', uuid] as const),
    ['Compute partitions', computePartition],
  ]);
}

function readings({ readings: values, memory, powerLimits }: DeviceView, now: number): Rows {
  if (!values) return [];
  const rows = known([
    ['Utilisation', formatNumber(values.utilizationPercent, ' %')],
    ['Memory utilisation', formatNumber(values.memoryUtilizationPercent, ' %')],
    ['Memory used', formatGibOf(values.memoryUsedBytes, memory?.totalBytes)],
    ['Temperature', formatNumber(values.temperatureCelsius, ' C')],
    ['Power', formatWattsOf(values.powerMilliwatts, powerLimits?.enforcedMilliwatts)],
    ['Graphics clock', formatNumber(values.graphicsMhz, ' MHz')],
    ['SM clock', formatNumber(values.smMhz, ' MHz')],
    ['Memory clock', formatNumber(values.memoryMhz, ' MHz')],
    ['Taken', values.time && formatTime(values.time, now)],
  ]);
  return rows.filter(([, value]) => value !== absent);
}

function nvlinks(device: DeviceView): Rows {
  if (device.nvlinks.length === 0) return [];
  return [
    ['LINK', 'STATE', 'VERSION', 'REMOTE'],
    ...device.nvlinks.map(({ link, active, version, remoteBusId }) => [
      String(link),
      active ? 'up' : 'down',
      formatNumber(version, ''),
      remoteBusId ?? absent,
    ]),
  ];
}

function processes(device: DeviceView): Rows {
  if (device.processes.length === 0) return [];
  return [
    ['PID', 'KIND', 'MEMORY'],
    ...device.processes.map(({ pid, kind, usedMemoryBytes }) => [String(pid), kind, formatGib(usedMemoryBytes)]),
  ];
}

function use({ allocation, leased }: DeviceView): Rows {
  return known([
    ['Sold', leased ? 'yes: a trade holds it' : undefined],
    ...(allocation?.holders ?? []).map((holder) => ['Pod', holder] as const),
    ['Pods', allocation?.unknown ? 'unknown: the kubelet does not say' : undefined],
  ]);
}

function conditions(list: readonly Condition[], now: number): Rows {
  if (list.length === 0) return [];
  return [
    ['TYPE', 'STATUS', 'SINCE', 'REASON', 'MESSAGE'],
    ...list.map(({ type, status, lastTransitionTime, reason, message }) => [
      type,
      status,
      lastTransitionTime ? formatAge(now - lastTransitionTime.getTime()) : absent,
      reason || absent,
      message || absent,
    ]),
  ];
}

function evidence(list: DeviceView['evidence']): Rows {
  if (list.length === 0) return [];
  const rows = list.map(({ check, witness, verdict, message }) => [check, witness, verdict, message]);
  return [['CHECK', 'WITNESS', 'VERDICT', 'MESSAGE'], ...rows];
}

function formatTime(time: Date, now: number): string {
  return `${time.toISOString()} (${formatAge(now - time.getTime())} ago)`;
}

function nowOfMost(now: number | undefined, most: number | undefined): string | undefined {
  if (now === undefined) return most === undefined ? undefined : `at most ${most}`;
  return most === undefined ? String(now) : `${now} of ${most}`;
}

/** Rows whose value is known, as texts. */
function known(rows: readonly (readonly [name: string, value: string | number | undefined])[]): string[][] {
  return rows.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [[name, String(value)]]));
}
