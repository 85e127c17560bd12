// Rows of telemetry in the words of the API: shares from 0 to 1, watts, and the node as a whole from its GPUs.
import type { Selectable } from 'kysely';
import { type GpuMetric, type NodeMetric, type ThrottleReason, throttleReasons } from '../../api/telemetry.ts';
import type { NodeStatus, Schema } from '../storage/schema.ts';

type RawRow = Selectable<Schema['telemetry']>;
type RollupRow = Selectable<Schema['telemetry_rollups']>;

/** One reading of a node. */
export function rawMetric(row: RawRow, status: NodeStatus): NodeMetric {
  const gpus = row.gpu_names.map((gpu, place): GpuMetric => {
    return {
      gpu,
      utilization: share(row.utilization_percent[place]),
      memory_utilization: share(row.memory_utilization_percent[place]),
      memory_used_bytes: exact(row.memory_used_bytes[place]),
      temperature: row.temperature_celsius[place] ?? null,
      power_draw: watts(row.power_milliwatts[place]),
      sm_mhz: row.sm_mhz[place] ?? null,
      memory_mhz: row.memory_mhz[place] ?? null,
      memory_temperature: row.memory_temperature_celsius?.[place] ?? null,
      energy: exact(row.energy_joules?.[place]),
      throttle_reasons: reasons(row.throttle_bits?.[place]),
      pcie_tx: bytesOf(row.pcie_tx_kilobytes?.[place]),
      pcie_rx: bytesOf(row.pcie_rx_kilobytes?.[place]),
      nvlink_tx: bytesOf(row.nvlink_tx_kilobytes?.[place]),
      nvlink_rx: bytesOf(row.nvlink_rx_kilobytes?.[place]),
      ecc_corrected: row.ecc_corrected?.[place] ?? null,
      ecc_uncorrected: row.ecc_uncorrected?.[place] ?? null,
    };
  });
  return nodeMetric(row.node_id, row.at, status, gpus);
}

/** One minute or hour of a node; `rows` are of its GPUs, at least one. */
export function rollupMetric(rows: readonly RollupRow[], statusAt: (at: Date) => NodeStatus): NodeMetric {
  const gpus = rows.map(
    (row): GpuMetric => ({
      gpu: row.gpu_name,
      utilization: share(row.utilization_avg),
      utilization_max: share(row.utilization_max),
      memory_utilization: share(row.memory_utilization_avg),
      memory_used_bytes: row.memory_used_avg,
      temperature: rounded(row.temperature_avg, 10),
      temperature_max: row.temperature_max,
      power_draw: watts(row.power_avg_milliwatts),
      power_draw_max: watts(row.power_max_milliwatts),
      memory_temperature: row.memory_temperature_max,
      energy: row.energy_joules_max,
      throttle_reasons: reasons(row.throttle_bits),
      pcie_tx: bytesOf(row.pcie_tx_kilobytes_avg),
      pcie_rx: bytesOf(row.pcie_rx_kilobytes_avg),
      nvlink_tx: bytesOf(row.nvlink_tx_kilobytes_avg),
      nvlink_rx: bytesOf(row.nvlink_rx_kilobytes_avg),
      ecc_corrected: row.ecc_corrected_max,
      ecc_uncorrected: row.ecc_uncorrected_max,
      samples: row.samples,
    }),
  );
  const { node_id = '', at = new Date(0) } = rows[0] ?? {};
  return nodeMetric(node_id, at, statusAt(at), gpus);
}

function nodeMetric(nodeId: string, at: Date, status: NodeStatus, gpus: readonly GpuMetric[]): NodeMetric {
  const known = (of: (gpu: GpuMetric) => number | null) => gpus.map(of).filter((value) => value !== null);
  const temperatures = known(({ temperature }) => temperature);
  const powers = known(({ power_draw }) => power_draw);
  return {
    node_id: nodeId,
    timestamp: at.toISOString(),
    gpu_utilization: mean(known(({ utilization }) => utilization)),
    memory_utilization: mean(known(({ memory_utilization }) => memory_utilization)),
    temperature: temperatures.length === 0 ? null : Math.max(...temperatures),
    power_draw: powers.length === 0 ? null : rounded(sum(powers), 1000),
    status,
    // Without a name: values that were given for the node as a whole.
    gpus: gpus.filter(({ gpu }) => gpu !== ''),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : rounded(sum(values) / values.length, 10_000);
}

function share(percent: number | null | undefined): number | null {
  return percent == null ? null : rounded(percent / 100, 10_000);
}

function watts(milliwatts: number | null | undefined): number | null {
  return milliwatts == null ? null : milliwatts / 1000;
}

/** An int8 of an array comes as text. */
function exact(text: string | null | undefined): number | null {
  return text == null ? null : Number(text);
}

function bytesOf(kilobytes: number | null | undefined): number | null {
  return kilobytes == null ? null : kilobytes * 1000;
}

function reasons(bits: number | null | undefined): ThrottleReason[] | null {
  return bits == null ? null : throttleReasons.filter((_, place) => (bits >> place) & 1);
}

/** To the nearest of so many parts of one. */
function rounded(value: number, parts: number): number;
function rounded(value: number | null, parts: number): number | null;
function rounded(value: number | null, parts: number): number | null {
  return value === null ? null : Math.round(value * parts) / parts;
}
