// How reliable nodes have been: uptime, recovery and response time over a window, and one score from them.
//
// The score, 0 to 100, is 100 × (0.7 U + 0.2 I + 0.1 R), rounded:
//   U  uptime:    (uptime − 0.9) / 0.1, not below 0: each hundredth below full uptime costs 7 points, 90 % gets none
//   I  incidents: 1 / (1 + n / 5) for n incidents of severity warning or critical in 30 days; other windows in proportion
//   R  recovery:  1 / (1 + m / 900) for a median of m seconds from offline to online; 1 where it never was offline
// A node that has never joined, or was not yet there in the window, has no figures.
import { sql } from 'kysely';
import type { Queryable } from '../storage/database.ts';
import type { NodeStatus } from '../storage/schema.ts';

/** A node's figures over the window. */
export interface NodeFigures {
  /** ISO 8601: from when on the node was observed, and until when. */
  readonly from: string;
  readonly to: string;
  /** 0 to 1: the share of that time in which it was not offline; null where there is none. */
  readonly uptime: number | null;
  /** How often it went offline. */
  readonly outages: number;
  /** Incidents of severity warning or critical that were opened. */
  readonly incidents: number;
  /** Of heartbeats, weighted: each of the latest counts a sixteenth. */
  readonly mean_round_trip_micros: number | null;
  /** From offline to online; null where no outage has ended. */
  readonly median_recovery_seconds: number | null;
  readonly score: number | null;
}

/** What figures are computed from. */
export interface NodeHistory {
  /** Oldest first; the last before the window's beginning may be among them. */
  readonly changes: readonly { readonly at: Date; readonly status: NodeStatus }[];
  readonly incidents: number;
  readonly roundTripMicros: number | null;
  /** When it left for good. */
  readonly decommissionedAt: Date | null;
}

export const defaultWindowDays = 30;
const day = 86_400_000;

/** Pure; times are taken as they are, in any order of magnitude. */
export function figuresOf(history: NodeHistory, from: Date, to: Date): NodeFigures {
  const end = history.decommissionedAt && history.decommissionedAt < to ? history.decommissionedAt : to;
  const spans = spansOf(history.changes, from, end);
  const begun = spans[0]?.from ?? end.getTime();
  const observed = Math.max(0, end.getTime() - begun);
  const offline = spans.filter(({ status }) => status === 'offline');
  const down = offline.reduce((sum, span) => sum + span.to - span.from, 0);
  const uptime = observed > 0 ? 1 - down / observed : null;
  const recoveries = offline.filter(({ ended }) => ended).map((span) => (span.to - span.began) / 1000);
  const recovery = median(recoveries);
  const days = (to.getTime() - from.getTime()) / day;
  return {
    from: new Date(begun).toISOString(),
    to: end.toISOString(),
    uptime,
    outages: offline.length,
    incidents: history.incidents,
    mean_round_trip_micros: history.roundTripMicros,
    median_recovery_seconds: recovery,
    score: uptime === null ? null : score(uptime, (history.incidents * 30) / days, recovery),
  };
}

/** The figures of these nodes; who never joined is absent. */
export async function nodeFigures(
  db: Queryable,
  nodeIds: readonly string[],
  now: Date,
  windowDays = defaultWindowDays,
): Promise<Map<string, NodeFigures>> {
  const from = new Date(now.getTime() - windowDays * day);
  const { rows } = await sql<{
    id: string;
    round_trip_micros: number | null;
    decommissioned_at: Date | null;
    incidents: number;
    changes: { at: string; status: NodeStatus }[];
  }>`
    select nodes.id, nodes.round_trip_micros, nodes.decommissioned_at,
      (select count(*) from incidents
       where incidents.node_id = nodes.id and opened_at >= ${from} and opened_at <= ${now} and severity <> 'info') as incidents,
      (select coalesce(json_agg(json_build_object('at', changes.at, 'status', changes.status) order by changes.at), '[]')
       from node_status_changes as changes
       where changes.node_id = nodes.id and changes.at <= ${now} and changes.at >= coalesce(
         (select max(earlier.at) from node_status_changes as earlier
          where earlier.node_id = nodes.id and earlier.at <= ${from}), ${from})) as changes
    from nodes where nodes.id = any(${nodeIds}::uuid[]) and nodes.joined_at is not null
  `.execute(db);
  return new Map(
    rows.map((row) => {
      const changes = row.changes.map(({ at, status }) => ({ at: new Date(at), status }));
      const { incidents, round_trip_micros, decommissioned_at } = row;
      const history = { changes, incidents, roundTripMicros: round_trip_micros, decommissionedAt: decommissioned_at };
      return [row.id, figuresOf(history, from, now)];
    }),
  );
}

interface Span {
  readonly status: NodeStatus;
  /** Cut to the window. */
  readonly from: number;
  readonly to: number;
  /** When it really began. */
  readonly began: number;
  /** Whether another status followed within the window. */
  readonly ended: boolean;
}

/** Periods of one status each, cut to the window. Neighbours that are both offline, or both not, are one. */
function spansOf(changes: NodeHistory['changes'], from: Date, to: Date): Span[] {
  const turns = changes.filter(
    ({ status }, place) => place === 0 || (status === 'offline') !== (changes[place - 1]?.status === 'offline'),
  );
  return turns.flatMap(({ at, status }, place): Span[] => {
    const next = turns[place + 1]?.at;
    const began = at.getTime();
    const until = Math.min((next ?? to).getTime(), to.getTime());
    const begun = Math.max(began, from.getTime());
    if (until < begun) return [];
    return [{ status, from: begun, to: until, began, ended: next !== undefined && next <= to }];
  });
}

function score(uptime: number, incidentsPerMonth: number, recovery: number | null): number {
  const up = Math.max(0, (uptime - 0.9) / 0.1);
  const calm = 1 / (1 + incidentsPerMonth / 5);
  const recovering = 1 / (1 + (recovery ?? 0) / 900);
  return Math.round(100 * (0.7 * up + 0.2 * calm + 0.1 * recovering));
}

function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) return null;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
