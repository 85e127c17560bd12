// Migration 8: what else nodes read of their GPUs: memory temperature, energy, reasons of low clocks, traffic, ECC errors.
import type { Migration } from '../migration.ts';

export const telemetryDetails: Migration = {
  up: `
    -- Null where no GPU of the round has the value. Traffic in 1,000 bytes a second; energy and errors count since the
    -- driver was loaded; the bits of throttle_bits are those of NVML.
    alter table telemetry
      add column memory_temperature_celsius smallint[],
      add column energy_joules bigint[],
      add column throttle_bits smallint[],
      add column pcie_tx_kilobytes integer[],
      add column pcie_rx_kilobytes integer[],
      add column nvlink_tx_kilobytes integer[],
      add column nvlink_rx_kilobytes integer[],
      add column ecc_corrected integer[],
      add column ecc_uncorrected integer[];

    -- Of counters the highest; of bits those that were set at any time. A count is of the readings behind a mean.
    alter table telemetry_rollups
      add column memory_temperature_max smallint,
      add column energy_joules_max bigint,
      add column throttle_bits smallint,
      add column pcie_count smallint not null default 0,
      add column pcie_tx_kilobytes_avg integer,
      add column pcie_rx_kilobytes_avg integer,
      add column nvlink_count smallint not null default 0,
      add column nvlink_tx_kilobytes_avg integer,
      add column nvlink_rx_kilobytes_avg integer,
      add column ecc_corrected_max integer,
      add column ecc_uncorrected_max integer;
  `,
  down: `
    alter table telemetry_rollups
      drop column memory_temperature_max,
      drop column energy_joules_max,
      drop column throttle_bits,
      drop column pcie_count,
      drop column pcie_tx_kilobytes_avg,
      drop column pcie_rx_kilobytes_avg,
      drop column nvlink_count,
      drop column nvlink_tx_kilobytes_avg,
      drop column nvlink_rx_kilobytes_avg,
      drop column ecc_corrected_max,
      drop column ecc_uncorrected_max;
    alter table telemetry
      drop column memory_temperature_celsius,
      drop column energy_joules,
      drop column throttle_bits,
      drop column pcie_tx_kilobytes,
      drop column pcie_rx_kilobytes,
      drop column nvlink_tx_kilobytes,
      drop column nvlink_rx_kilobytes,
      drop column ecc_corrected,
      drop column ecc_uncorrected;
  `,
};
