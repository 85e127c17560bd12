// Migration 2: providers, clusters, nodes and how they join, GPUs with conditions, pools, verifications.
import type { Migration } from '../migration.ts';

export const inventory: Migration = {
  up: `
    create table providers (
      id uuid primary key,
      account_id uuid not null references accounts,
      name text not null,
      company text not null,
      status text not null check (status in ('pending_kyc', 'verified', 'suspended')),
      -- Why it was suspended; null otherwise.
      status_reason text,
      kyc_data jsonb not null,
      created_at timestamptz not null,
      status_changed_at timestamptz not null,
      unique (account_id, name)
    );

    create table clusters (
      id uuid primary key,
      provider_id uuid not null references providers,
      name text not null,
      region text not null,
      specs jsonb not null,
      created_at timestamptz not null,
      unique (provider_id, name)
    );

    create table nodes (
      id uuid primary key,
      cluster_id uuid not null references clusters,
      hostname text not null,
      -- What the provider declared when registering it: [{model, count, memory_gb}].
      declared_gpus jsonb not null,
      created_at timestamptz not null,
      -- Offline until it has joined.
      status text not null default 'offline' check (status in ('healthy', 'degraded', 'offline')),
      status_reason text not null default 'has not joined yet',
      status_since timestamptz not null,
      joined_at timestamptz,
      last_seen_at timestamptz,
      cordoned boolean not null default false,
      draining boolean not null default false,
      decommissioned_at timestamptz,
      simulated boolean not null default false,
      sources text[] not null default '{}',
      machine_id text not null default '',
      boot_id text not null default '',
      process_id text not null default '',
      agent_version text not null default '',
      -- The address from which its stream comes.
      ip_address text,
      clock_skew_ms integer,
      round_trip_micros integer,
      -- Where its spool stands: see Stored in node_link.proto.
      spool_id text not null default '',
      change_sequence bigint not null default 0,
      telemetry_sequence bigint not null default 0,
      -- Rounds of telemetry that the node dropped since its spool began.
      telemetry_dropped bigint not null default 0
    );
    create unique index nodes_name on nodes (cluster_id, hostname) where decommissioned_at is null;
    create index nodes_cluster on nodes (cluster_id, id);
    create index nodes_status on nodes (status, status_since);

    -- Tokens that let nodes join: for one node (node_id set, one use) or for a fleet.
    create table enrolment_tokens (
      id uuid primary key,
      cluster_id uuid not null references clusters on delete cascade,
      node_id uuid references nodes on delete cascade,
      hash bytea not null unique check (length(hash) = 32),
      max_uses integer not null check (max_uses > 0),
      uses integer not null default 0 check (uses between 0 and max_uses),
      created_at timestamptz not null,
      expires_at timestamptz not null,
      revoked_at timestamptz
    );
    create index enrolment_tokens_cluster on enrolment_tokens (cluster_id);

    create table node_credentials (
      id uuid primary key,
      node_id uuid not null references nodes on delete cascade,
      -- DER, SubjectPublicKeyInfo.
      public_key bytea not null,
      issued_at timestamptz not null,
      expires_at timestamptz not null,
      -- When the node first proved that it holds it; its predecessor ends then.
      confirmed_at timestamptz,
      revoked_at timestamptz,
      -- The credential that this one follows.
      follows uuid references node_credentials on delete set null
    );
    create index node_credentials_node on node_credentials (node_id);

    -- Which key used which token: the same again gets the same answer.
    create table enrolments (
      token_id uuid not null references enrolment_tokens on delete cascade,
      public_key bytea not null,
      node_id uuid not null references nodes on delete cascade,
      credential_id uuid not null references node_credentials on delete cascade,
      at timestamptz not null,
      primary key (token_id, public_key)
    );

    create table gpus (
      id uuid primary key,
      node_id uuid not null references nodes on delete cascade,
      -- Copied from its node's cluster, so that a search touches one table.
      cluster_id uuid not null references clusters,
      provider_id uuid not null references providers,
      region text not null,
      -- Its name in the node's device API: the UUID in lower case.
      name text not null,
      uuid text not null,
      parent text,
      source text,
      vendor text,
      model text,
      architecture text,
      serial text,
      -- The strict taxonomy; null where nothing fits.
      product text,
      form_factor text,
      interconnect text,
      memory_bytes bigint,
      compute_capability text,
      driver_version text,
      cuda_version text,
      vbios_version text,
      pci_bus_id text,
      numa_node integer,
      multiprocessors integer,
      ecc boolean,
      mig boolean,
      health text not null check (health in ('healthy', 'unhealthy', 'unknown')),
      -- True while the node has not reconfirmed it after a restart.
      stale boolean not null default false,
      recommended_action text not null default '',
      status text not null check (status in ('available', 'allocated', 'maintenance')),
      label text not null check (label in ('simulated', 'self-reported', 'measured', 'challenge-verified')),
      score smallint check (score between 0 and 100),
      compute_processes integer,
      -- Everything else of the hardware record: clocks, power limits, PCIe, NVLink.
      attributes jsonb not null,
      -- Of what the node reported; tells whether a snapshot changes anything.
      digest bytea not null,
      first_seen_at timestamptz not null,
      changed_at timestamptz not null,
      -- When the node ceased to show it.
      removed_at timestamptz,
      unique (node_id, name)
    );
    -- For searches: an index for every order, and for filters that find few of many. The expressions are those of
    -- registry/search/gpu-filter.ts: what is not known sorts as the lowest.
    --
    -- Every index is paid for with every change of a GPU. One for each filter (33 in all) made 190 us of a GPU's
    -- change; these (18, four of them nearly empty) make 80 us. Without those of health, recommended_action and
    -- changed_at, a change of health could be HOT, and make 45 us, out of 250 us with its conditions, events and
    -- incident: not worth that the search for what is ill, and for what changed last, would read the whole table.
    -- (On 2 idle cores 16,000 GPUs that become unhealthy at once took 4.4 s; 80,000 took 46 s beside other work that
    -- kept both cores busy: bench/broker/fleet-event.ts.) Filters without an index find a page quickly where many
    -- match; a rare driver version costs a scan.
    create index gpus_cluster on gpus (cluster_id, id);
    create index gpus_provider on gpus (provider_id, id);
    create index gpus_uuid on gpus (uuid);
    create index gpus_serial on gpus (serial);
    create index gpus_parent on gpus (parent) where parent is not null;
    create index gpus_model on gpus ((coalesce(model, '') collate "C"), id);
    create index gpus_product on gpus ((coalesce(product, '') collate "C"), id);
    create index gpus_region on gpus ((region collate "C"), id);
    create index gpus_memory on gpus ((coalesce(memory_bytes, 0)), id);
    create index gpus_score on gpus ((coalesce(score::int, -1)), id);
    create index gpus_changed on gpus (changed_at, id);
    create index gpus_ill on gpus (health, id) where health <> 'healthy';
    create index gpus_action on gpus (recommended_action, id) where recommended_action <> '';
    create index gpus_mig on gpus (id) where mig;
    create index gpus_without_ecc on gpus (id) where not ecc;
    create index gpus_removed on gpus (removed_at) where removed_at is not null;
    -- One kind of hardware after another: see registry/search/gpu-kinds.ts.
    create index gpus_kind on gpus ((md5(coalesce(length(vendor::text)::text || ':' || vendor::text, '-') ||
      coalesce(length(model::text)::text || ':' || model::text, '-') ||
      coalesce(length(product::text)::text || ':' || product::text, '-') ||
      coalesce(length(form_factor::text)::text || ':' || form_factor::text, '-') ||
      coalesce(length(interconnect::text)::text || ':' || interconnect::text, '-') ||
      coalesce(length(architecture::text)::text || ':' || architecture::text, '-') ||
      coalesce(length(memory_bytes::text)::text || ':' || memory_bytes::text, '-') ||
      coalesce(length(compute_capability::text)::text || ':' || compute_capability::text, '-'))));
    -- The attributes of a card depend on each other; without these the planner would take them for independent.
    create statistics gpus_hardware (mcv)
      on vendor, model, product, form_factor, interconnect, architecture, memory_bytes, compute_capability from gpus;
    create statistics gpus_software (mcv) on vendor, driver_version, cuda_version, health, status, region from gpus;
    create index gpus_attributes on gpus using gin (attributes jsonb_path_ops);

    create table gpu_conditions (
      gpu_id uuid not null references gpus on delete cascade,
      type text not null,
      status text not null,
      reason text not null,
      message text not null,
      last_transition_at timestamptz,
      primary key (gpu_id, type)
    );
    create index gpu_conditions_type on gpu_conditions (type, status, gpu_id);
    create statistics gpu_conditions_pairs (mcv) on type, status from gpu_conditions;

    -- What an admin decided about models that the table of products does not know.
    create table product_mappings (
      vendor text not null,
      model text not null,
      memory_gb integer not null,
      product text not null,
      form_factor text not null,
      interconnect text not null,
      created_at timestamptz not null,
      primary key (vendor, model, memory_gb)
    );

    create table pools (
      id uuid primary key,
      provider_id uuid not null references providers on delete cascade,
      name text not null,
      -- Static: members are declared. Dynamic: members are what the selector finds, at any time.
      kind text not null check (kind in ('static', 'dynamic')),
      selector jsonb,
      created_at timestamptz not null,
      unique (provider_id, name),
      check ((kind = 'dynamic') = (selector is not null))
    );
    create table pool_members (
      pool_id uuid not null references pools on delete cascade,
      gpu_id uuid not null references gpus on delete cascade,
      primary key (pool_id, gpu_id)
    );
    create index pool_members_gpu on pool_members (gpu_id);

    create table verifications (
      id uuid primary key,
      gpu_id uuid not null references gpus on delete cascade,
      at timestamptz not null,
      kind text not null,
      outcome text not null check (outcome in ('passed', 'failed', 'unsupported')),
      label text not null,
      score smallint check (score between 0 and 100),
      evidence jsonb not null
    );
    create index verifications_gpu on verifications (gpu_id, at);
    create table verification_samples (
      verification_id uuid not null references verifications on delete cascade,
      name text not null,
      repeat integer not null,
      value double precision not null,
      unit text not null,
      primary key (verification_id, name, repeat)
    );

    -- From these the figures for uptime and reliability are made.
    create table node_status_changes (
      node_id uuid not null references nodes on delete cascade,
      at timestamptz not null,
      status text not null check (status in ('healthy', 'degraded', 'offline')),
      reason text not null,
      primary key (node_id, at)
    );
  `,
  down: `
    drop table node_status_changes, verification_samples, verifications, pool_members, pools, product_mappings,
      gpu_conditions, gpus, enrolments, node_credentials, enrolment_tokens, nodes, clusters, providers;
  `,
};
