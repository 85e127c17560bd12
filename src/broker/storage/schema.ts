// The tables as Kysely sees them; the migrations say what each column means.
import type { ColumnType, Generated } from 'kysely';
import type { MarketSchema } from './market-schema.ts';

/** JSON comes back parsed and goes in as text: `JSON.stringify` what you write. */
export type Json<Value> = ColumnType<Value, JsonText<Value>, JsonText<Value>>;
type JsonText<Value> = null extends Value ? string | null : string;

export type Role = 'admin' | 'provider' | 'consumer' | 'developer';
export type ProviderStatus = 'pending_kyc' | 'verified' | 'suspended';
export type NodeStatus = 'healthy' | 'degraded' | 'offline';
export type GpuStatus = 'available' | 'allocated' | 'maintenance';
export type PodAllocation = 'none' | 'held' | 'unknown';
export type Label = 'simulated' | 'self-reported' | 'measured' | 'challenge-verified';
export type Severity = 'info' | 'warning' | 'critical';

export interface Schema extends MarketSchema {
  accounts: { id: string; name: string; created_at: Date };
  users: {
    id: string;
    account_id: string;
    email: string;
    name: string;
    password_hash: string | null;
    role: Role;
    oidc_issuer: string | null;
    oidc_subject: string | null;
    created_at: Date;
    disabled_at: Date | null;
  };
  sessions: { id: string; user_id: string; created_at: Date; expires_at: Date; revoked_at: Date | null };
  api_keys: {
    id: string;
    user_id: string;
    name: string;
    hash: Buffer;
    scopes: string[];
    created_at: Date;
    expires_at: Date | null;
    revoked_at: Date | null;
    last_used_at: Date | null;
  };
  sign_in_codes: { hash: Buffer; user_id: string; challenge: string; expires_at: Date };
  signing_keys: { id: string; private_jwk: Json<Record<string, unknown>>; created_at: Date; retired_at: Date | null };
  audit_log: {
    seq: number;
    at: Date;
    actor_kind: 'user' | 'api-key' | 'node' | 'system' | 'anonymous';
    actor_id: string | null;
    account_id: string | null;
    action: string;
    target_kind: string | null;
    target_id: string | null;
    outcome: 'allowed' | 'refused' | 'failed';
    details: Json<Record<string, unknown>>;
    previous_hash: Buffer;
    hash: Buffer;
  };
  audit_chain: {
    singleton: Generated<boolean>;
    last_seq: number;
    last_hash: Buffer;
    removed_through_seq: number;
    removed_through_hash: Buffer;
  };
  providers: {
    id: string;
    account_id: string;
    name: string;
    company: string;
    status: ProviderStatus;
    status_reason: string | null;
    kyc_data: Json<Record<string, unknown>>;
    created_at: Date;
    status_changed_at: Date;
  };
  clusters: {
    id: string;
    provider_id: string;
    name: string;
    region: string;
    specs: Json<Record<string, unknown>>;
    created_at: Date;
  };
  nodes: {
    id: string;
    cluster_id: string;
    hostname: string;
    declared_gpus: Json<DeclaredGpus[]>;
    created_at: Date;
    status: Generated<NodeStatus>;
    status_reason: Generated<string>;
    status_since: Date;
    joined_at: Date | null;
    last_seen_at: Date | null;
    cordoned: Generated<boolean>;
    draining: Generated<boolean>;
    decommissioned_at: Date | null;
    simulated: Generated<boolean>;
    sources: Generated<string[]>;
    machine_id: Generated<string>;
    boot_id: Generated<string>;
    process_id: Generated<string>;
    agent_version: Generated<string>;
    ip_address: string | null;
    clock_skew_ms: number | null;
    round_trip_micros: number | null;
    spool_id: Generated<string>;
    change_sequence: Generated<number>;
    telemetry_sequence: Generated<number>;
    telemetry_dropped: Generated<number>;
  };
  enrolment_tokens: {
    id: string;
    cluster_id: string;
    node_id: string | null;
    hash: Buffer;
    max_uses: number;
    uses: Generated<number>;
    created_at: Date;
    expires_at: Date;
    revoked_at: Date | null;
  };
  node_credentials: {
    id: string;
    node_id: string;
    public_key: Buffer;
    issued_at: Date;
    expires_at: Date;
    confirmed_at: Date | null;
    revoked_at: Date | null;
    follows: string | null;
  };
  enrolments: { token_id: string; public_key: Buffer; node_id: string; credential_id: string; at: Date };
  gpus: {
    id: string;
    node_id: string;
    cluster_id: string;
    provider_id: string;
    region: string;
    name: string;
    uuid: string;
    parent: string | null;
    source: string | null;
    vendor: string | null;
    model: string | null;
    architecture: string | null;
    serial: string | null;
    product: string | null;
    form_factor: string | null;
    interconnect: string | null;
    memory_bytes: number | null;
    compute_capability: string | null;
    driver_version: string | null;
    cuda_version: string | null;
    vbios_version: string | null;
    pci_bus_id: string | null;
    numa_node: number | null;
    multiprocessors: number | null;
    ecc: boolean | null;
    mig: boolean | null;
    health: 'healthy' | 'unhealthy' | 'unknown';
    stale: Generated<boolean>;
    recommended_action: Generated<string>;
    status: GpuStatus;
    label: Label;
    score: number | null;
    compute_processes: number | null;
    pod_allocation: PodAllocation | null;
    attributes: Json<Record<string, unknown>>;
    digest: Buffer;
    first_seen_at: Date;
    changed_at: Date;
    removed_at: Date | null;
  };
  gpu_conditions: {
    gpu_id: string;
    type: string;
    status: string;
    reason: string;
    message: string;
    last_transition_at: Date | null;
  };
  product_mappings: {
    vendor: string;
    model: string;
    memory_gb: number;
    product: string;
    form_factor: string;
    interconnect: string;
    created_at: Date;
  };
  pools: {
    id: string;
    provider_id: string;
    name: string;
    kind: 'static' | 'dynamic';
    selector: Json<Record<string, unknown> | null>;
    created_at: Date;
  };
  pool_members: { pool_id: string; gpu_id: string };
  verifications: {
    id: string;
    gpu_id: string;
    at: Date;
    kind: string;
    outcome: 'passed' | 'failed' | 'unsupported';
    label: Label;
    score: number | null;
    evidence: Json<Record<string, unknown>>;
  };
  verification_samples: { verification_id: string; name: string; repeat: number; value: number; unit: string };
  node_status_changes: { node_id: string; at: Date; status: NodeStatus; reason: string };
  leader: { singleton: Generated<boolean>; epoch: number; holder: string; since: Date };
  journal: {
    seq: number;
    at: Date;
    kind: string;
    provider_id: string | null;
    cluster_id: string | null;
    node_id: string | null;
    gpu_id: string | null;
    data: Json<Record<string, unknown>>;
  };
  incidents: {
    id: string;
    kind: string;
    severity: Severity;
    status: 'open' | 'acknowledged' | 'closed';
    subject: string;
    provider_id: string | null;
    cluster_id: string | null;
    node_id: string | null;
    gpu_id: string | null;
    title: string;
    details: Json<Record<string, unknown>>;
    occurrences: Generated<number>;
    opened_at: Date;
    last_seen_at: Date;
    acknowledged_at: Date | null;
    acknowledged_by: string | null;
    closed_at: Date | null;
    closed_reason: string | null;
  };
  alert_rules: {
    id: string;
    account_id: string | null;
    name: string;
    condition: Json<Record<string, unknown>>;
    channels: Json<Record<string, unknown>[]>;
    group_by: 'rule' | 'provider' | 'cluster' | 'node' | 'gpu';
    group_wait_s: number;
    repeat_interval_s: number;
    max_notices_per_hour: number;
    enabled: boolean;
    muted_until: Date | null;
    created_at: Date;
  };
  alerts: {
    id: string;
    rule_id: string;
    group_key: string;
    status: 'pending' | 'firing' | 'resolved';
    severity: Severity;
    subjects: Json<unknown[]>;
    subject_count: number;
    opened_at: Date;
    fired_at: Date | null;
    notified_at: Date | null;
    clear_since: Date | null;
    resolved_at: Date | null;
  };
  alert_deliveries: {
    id: string;
    alert_id: string;
    notice_id: string;
    kind: 'firing' | 'repeat' | 'resolved' | 'suppressed';
    channel_id: string;
    channel_type: string;
    payload: Json<Record<string, unknown>>;
    status: 'waiting' | 'sent' | 'given-up';
    attempts: Generated<number>;
    next_attempt_at: Date;
    last_error: string | null;
    created_at: Date;
    sent_at: Date | null;
  };
  telemetry: {
    node_id: string;
    at: Date;
    gpu_names: string[];
    utilization_percent: (number | null)[];
    memory_utilization_percent: (number | null)[];
    /** Arrays of int8 come as text. */
    memory_used_bytes: (string | null)[];
    temperature_celsius: (number | null)[];
    power_milliwatts: (number | null)[];
    sm_mhz: (number | null)[];
    memory_mhz: (number | null)[];
  };
  telemetry_rollups: {
    period: '1m' | '1h';
    node_id: string;
    gpu_name: string;
    at: Date;
    samples: number;
    utilization_count: number;
    utilization_avg: number | null;
    utilization_max: number | null;
    memory_utilization_count: number;
    memory_utilization_avg: number | null;
    memory_used_count: number;
    memory_used_avg: number | null;
    memory_used_max: number | null;
    temperature_count: number;
    temperature_avg: number | null;
    temperature_max: number | null;
    power_count: number;
    power_avg_milliwatts: number | null;
    power_max_milliwatts: number | null;
  };
  telemetry_late: { node_id: string; hour: Date };
  telemetry_progress: { period: string; through: Date };
}

/** GPUs that a provider says are in a node. */
export interface DeclaredGpus {
  readonly model: string;
  readonly count: number;
  readonly memory_gb?: number;
}
