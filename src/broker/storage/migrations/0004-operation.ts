// Migration 4: incidents, alert rules, alerts and their deliveries.
import type { Migration } from '../migration.ts';

export const operation: Migration = {
  up: `
    create table incidents (
      id uuid primary key,
      kind text not null,
      severity text not null check (severity in ('info', 'warning', 'critical')),
      status text not null check (status in ('open', 'acknowledged', 'closed')),
      -- What it is about, for instance 'node:ID'. Of a kind and subject only one incident is open at a time.
      subject text not null,
      provider_id uuid references providers on delete cascade,
      cluster_id uuid references clusters on delete cascade,
      node_id uuid references nodes on delete cascade,
      gpu_id uuid references gpus on delete cascade,
      title text not null,
      details jsonb not null,
      occurrences integer not null default 1,
      opened_at timestamptz not null,
      -- When it was last seen to be so.
      last_seen_at timestamptz not null,
      acknowledged_at timestamptz,
      acknowledged_by uuid references users on delete set null,
      closed_at timestamptz,
      closed_reason text
    );
    create unique index incidents_open on incidents (kind, subject) where closed_at is null;
    create index incidents_closed on incidents (kind, subject, closed_at);
    create index incidents_provider on incidents (provider_id, id);
    create index incidents_node on incidents (node_id, opened_at);

    create table alert_rules (
      id uuid primary key,
      -- Whose incidents it is about; null for everybody's, which only admins set.
      account_id uuid references accounts on delete cascade,
      name text not null,
      -- What sets it off, as the API's schema has it.
      condition jsonb not null,
      -- Where it is sent to, as the API's schema has it, each with an id; secrets in it are never shown again.
      channels jsonb not null,
      group_by text not null check (group_by in ('rule', 'provider', 'cluster', 'node', 'gpu')),
      group_wait_s integer not null,
      repeat_interval_s integer not null,
      max_notices_per_hour integer not null,
      enabled boolean not null,
      muted_until timestamptz,
      created_at timestamptz not null
    );
    create index alert_rules_account on alert_rules (account_id);

    create table alerts (
      id uuid primary key,
      rule_id uuid not null references alert_rules on delete cascade,
      group_key text not null,
      status text not null check (status in ('pending', 'firing', 'resolved')),
      severity text not null check (severity in ('info', 'warning', 'critical')),
      -- The first of them: [{subject, title, since, value?}].
      subjects jsonb not null,
      subject_count integer not null,
      opened_at timestamptz not null,
      fired_at timestamptz,
      -- When the last notice was made that says that it fires.
      notified_at timestamptz,
      -- Since when nothing sets it off any more.
      clear_since timestamptz,
      resolved_at timestamptz
    );
    create unique index alerts_open on alerts (rule_id, group_key) where status <> 'resolved';
    create index alerts_rule on alerts (rule_id, id);
    create index alerts_notified on alerts (rule_id, notified_at) where notified_at is not null;

    create table alert_deliveries (
      id uuid primary key,
      alert_id uuid not null references alerts on delete cascade,
      -- One notice goes to every channel of its rule.
      notice_id uuid not null,
      kind text not null check (kind in ('firing', 'repeat', 'resolved', 'suppressed')),
      channel_id uuid not null,
      channel_type text not null,
      payload jsonb not null,
      status text not null check (status in ('waiting', 'sent', 'given-up')),
      attempts integer not null default 0,
      -- A sender that takes it moves this forward, so that another takes it only if the first one dies.
      next_attempt_at timestamptz not null,
      last_error text,
      created_at timestamptz not null,
      sent_at timestamptz
    );
    create index alert_deliveries_alert on alert_deliveries (alert_id, id);
    create index alert_deliveries_recent on alert_deliveries (created_at);
    create index alert_deliveries_waiting on alert_deliveries (next_attempt_at) where status = 'waiting';
  `,
  down: `
    drop table alert_deliveries, alerts, alert_rules, incidents;
  `,
};
