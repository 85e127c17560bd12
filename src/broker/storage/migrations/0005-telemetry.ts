// Migration 5: telemetry, a row for every round of a node, in partitions by time; and its rollups.
import type { Migration } from '../migration.ts';

export const telemetry: Migration = {
  up: `
    -- Arrays run in parallel, one place a GPU; a null in them is a value that the driver does not give. No foreign
    -- keys: rows come by COPY, and go with their partition.
    create table telemetry (
      node_id uuid not null,
      at timestamptz not null,
      gpu_names text[] not null,
      utilization_percent smallint[] not null,
      memory_utilization_percent smallint[] not null,
      memory_used_bytes bigint[] not null,
      temperature_celsius smallint[] not null,
      power_milliwatts integer[] not null,
      sm_mhz integer[] not null,
      memory_mhz integer[] not null
    ) partition by range (at);
    create index telemetry_node on telemetry (node_id, at);

    -- One row a GPU and period ('1m' or '1h'). The counts are of the values behind each average: a driver may give some
    -- of them and not others.
    create table telemetry_rollups (
      period text not null check (period in ('1m', '1h')),
      node_id uuid not null,
      gpu_name text not null,
      at timestamptz not null,
      samples integer not null,
      utilization_count smallint not null,
      utilization_avg real,
      utilization_max smallint,
      memory_utilization_count smallint not null,
      memory_utilization_avg real,
      memory_used_count smallint not null,
      memory_used_avg bigint,
      memory_used_max bigint,
      temperature_count smallint not null,
      temperature_avg real,
      temperature_max smallint,
      power_count smallint not null,
      power_avg_milliwatts integer,
      power_max_milliwatts integer,
      primary key (period, node_id, at, gpu_name)
    ) partition by list (period);
    create table telemetry_rollups_1m partition of telemetry_rollups for values in ('1m') partition by range (at);
    create table telemetry_rollups_1h partition of telemetry_rollups for values in ('1h') partition by range (at);
    -- Hours of nodes to which rows were added after their minutes had been rolled up. Appended to only, so that a mark
    -- made while another is being worked off is never lost.
    create table telemetry_late (
      node_id uuid not null,
      hour timestamptz not null
    );
    -- Up to where each period has been rolled up; and 'claimed': rows before it that come from now on are late.
    create table telemetry_progress (
      period text primary key,
      through timestamptz not null
    );
  `,
  down: `
    drop table telemetry_progress, telemetry_late, telemetry_rollups, telemetry;
  `,
};
