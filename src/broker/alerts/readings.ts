// Reads what rules are about: open incidents, and measurements beyond a rule's threshold, one statement a metric.
import { type RawBuilder, sql } from 'kysely';
import type { ThresholdCondition } from '../../api/alerts.ts';
import type { Queryable } from '../storage/database.ts';
import { isCount, type OpenIncident, type Reading, type Rule } from './findings.ts';

/** Telemetry that is older says nothing about now, in milliseconds. */
const telemetryAge = 2 * 60_000;

/** Every incident that is open or acknowledged. */
export async function readOpenIncidents(db: Queryable): Promise<OpenIncident[]> {
  return db
    .selectFrom('incidents')
    .leftJoin('providers', 'providers.id', 'incidents.provider_id')
    .select([
      'providers.account_id as accountId',
      'incidents.provider_id as providerId',
      'incidents.cluster_id as clusterId',
      'incidents.node_id as nodeId',
      'incidents.gpu_id as gpuId',
      'incidents.kind',
      'incidents.severity',
      'incidents.subject',
      'incidents.title',
      'incidents.opened_at as openedAt',
    ])
    .where('incidents.closed_at', 'is', null)
    .execute();
}

/** What threshold rules measure now. Of GPUs and clocks only what is beyond; of counts, every cluster's. */
export async function readMeasurements(db: Queryable, rules: readonly Rule[], now: Date): Promise<Reading[]> {
  const ofMetric = Map.groupBy(
    rules.flatMap(({ id, accountId, condition }) =>
      condition.type === 'threshold' ? [{ id, account_id: accountId, ...condition }] : [],
    ),
    ({ metric }) => metric,
  );
  const found: Reading[] = [];
  for (const [metric, some] of ofMetric) {
    const { rows } = await statementOf(metric, JSON.stringify(some), now).execute(db);
    found.push(...rows);
  }
  return found;
}

function statementOf(metric: ThresholdCondition['metric'], rules: string, now: Date): RawBuilder<Reading> {
  if (isCount(metric)) return counts(metric, rules);
  if (metric === 'node_clock_skew_ms') return clockSkews(rules);
  return gpuValues(metric, rules, now);
}

const ruleTable = (rules: string) => sql`
  jsonb_to_recordset(${rules}::jsonb) as rule (id uuid, account_id uuid, comparison text, value float8,
    provider_id uuid, cluster_id uuid, node_id uuid, gpu_id uuid)`;

/** The rule's account and scope; its aliases are `rule`, `provider`, `cluster`. */
const inScope = sql`
  (rule.account_id is null or provider.account_id = rule.account_id)
  and (rule.provider_id is null or provider.id = rule.provider_id)
  and (rule.cluster_id is null or cluster.id = rule.cluster_id)`;

const beyond = (value: RawBuilder<unknown>) =>
  sql`case rule.comparison when 'above' then ${value} > rule.value else ${value} < rule.value end`;

/** The columns of telemetry. */
const telemetryColumns = {
  gpu_temperature_celsius: 'temperature_celsius',
  gpu_utilization_percent: 'utilization_percent',
  gpu_memory_utilization_percent: 'memory_utilization_percent',
  gpu_power_milliwatts: 'power_milliwatts',
} as const;

function gpuValues(metric: keyof typeof telemetryColumns, rules: string, now: Date): RawBuilder<Reading> {
  const values = sql.ref(`latest.${telemetryColumns[metric]}`);
  const oldest = new Date(now.getTime() - telemetryAge);
  return sql<Reading>`
    select rule.id as "ruleId", provider.account_id as "accountId", provider.id as "providerId",
      cluster.id as "clusterId", node.id as "nodeId", gpu.id as "gpuId", 'gpu:' || gpu.id as subject,
      coalesce(gpu.model, 'GPU') || ' ' || gpu.name || ' of ' || node.hostname as title, measured.value::float8 as value
    from (select * from ${ruleTable(rules)}) as rule
    join providers as provider on rule.account_id is null or provider.account_id = rule.account_id
    join clusters as cluster on cluster.provider_id = provider.id
    join nodes as node on node.cluster_id = cluster.id and node.decommissioned_at is null
    cross join lateral (
      select * from telemetry
      where telemetry.node_id = node.id and telemetry.at > ${oldest} and telemetry.at <= ${now}
      order by telemetry.at desc limit 1
    ) as latest
    cross join lateral unnest(latest.gpu_names, ${values}) as measured (name, value)
    join gpus as gpu on gpu.node_id = node.id and gpu.name = measured.name and gpu.removed_at is null
    where ${inScope} and (rule.node_id is null or node.id = rule.node_id)
      and (rule.gpu_id is null or gpu.id = rule.gpu_id) and ${beyond(sql`measured.value`)}`;
}

function clockSkews(rules: string): RawBuilder<Reading> {
  return sql<Reading>`
    select rule.id as "ruleId", provider.account_id as "accountId", provider.id as "providerId",
      cluster.id as "clusterId", node.id as "nodeId", null as "gpuId", 'node:' || node.id as subject,
      'clock of ' || node.hostname as title, abs(node.clock_skew_ms)::float8 as value
    from (select * from ${ruleTable(rules)}) as rule
    join providers as provider on rule.account_id is null or provider.account_id = rule.account_id
    join clusters as cluster on cluster.provider_id = provider.id
    join nodes as node on node.cluster_id = cluster.id and node.decommissioned_at is null
    where ${inScope} and (rule.node_id is null or node.id = rule.node_id) and node.status <> 'offline'
      and ${beyond(sql`abs(node.clock_skew_ms)`)}`;
}

/** A node counts as offline once it has joined; a GPU as unhealthy by its node's last word. */
function counts(metric: string, rules: string): RawBuilder<Reading> {
  const counted =
    metric === 'nodes_offline'
      ? sql`select count(*) from nodes as node where node.cluster_id = cluster.id and node.decommissioned_at is null
          and node.status = 'offline' and node.joined_at is not null and (rule.node_id is null or node.id = rule.node_id)`
      : sql`select count(*) from gpus as gpu where gpu.cluster_id = cluster.id and gpu.removed_at is null
          and gpu.health = 'unhealthy' and (rule.node_id is null or gpu.node_id = rule.node_id)
          and (rule.gpu_id is null or gpu.id = rule.gpu_id)`;
  return sql<Reading>`
    select rule.id as "ruleId", provider.account_id as "accountId", provider.id as "providerId",
      cluster.id as "clusterId", null as "nodeId", null as "gpuId", 'cluster:' || cluster.id as subject,
      cluster.name as title, (${counted})::float8 as value
    from (select * from ${ruleTable(rules)}) as rule
    join providers as provider on rule.account_id is null or provider.account_id = rule.account_id
    join clusters as cluster on cluster.provider_id = provider.id
    where ${inScope}`;
}
