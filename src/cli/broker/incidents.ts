// `gpubroker incidents`: what went wrong on nodes, and who looks after it.
import type { Incident, IncidentFigures, IncidentFiguresQuery, IncidentQuery } from '../../api/incidents.ts';
import type { Client } from '../../client/client.ts';
import { absent, formatAge } from '../quantities.ts';
import { ago, type Columns, collect, pageFor, showDone, showList, showOne, word } from './show.ts';

const columns: Columns<Incident> = {
  ID: ({ id }) => id,
  SEVERITY: ({ severity }) => word(severity),
  STATUS: ({ status }) => word(status),
  KIND: ({ kind }) => kind,
  TIMES: ({ occurrences }) => occurrences,
  OPENED: ({ opened_at }) => ago(opened_at),
  TITLE: ({ title }) => title,
};

const figureColumns: Columns<IncidentFigures['items'][number]> = {
  KIND: ({ kind }) => kind,
  INCIDENTS: ({ incidents }) => incidents,
  OPEN: ({ open }) => open,
  TIMES: ({ occurrences }) => occurrences,
  ACKNOWLEDGED: ({ seconds_to_acknowledge }) => within(seconds_to_acknowledge),
  CLOSED: ({ seconds_to_close }) => within(seconds_to_close),
};

/** Which incidents to show, by what became of them. */
export const incidentStatuses = {
  active: ['open', 'acknowledged'],
  open: ['open'],
  acknowledged: ['acknowledged'],
  closed: ['closed'],
  all: [undefined],
} as const satisfies Record<string, readonly IncidentQuery['status'][]>;

/** Those that nobody looks after come first. */
export async function listIncidents(
  client: Client,
  json: boolean,
  { query, status, limit }: { query: IncidentQuery; status: keyof typeof incidentStatuses; limit: number },
): Promise<void> {
  async function* found() {
    for (const one of incidentStatuses[status]) {
      const filter = one === undefined ? {} : { status: one };
      yield* client.all('GET /incidents', { query: { ...query, ...filter, ...pageFor(limit) } });
    }
  }
  showList(await collect(found(), limit), { json, columns, nothing: 'No such incident.' });
}

/** How often what goes wrong, and how fast it is answered. */
export async function showFigures(client: Client, json: boolean, query: IncidentFiguresQuery): Promise<void> {
  const { items } = await client.call('GET /incidents/figures', { query });
  showList(items, { json, columns: figureColumns, nothing: 'No incident in this time.' });
}

export async function showIncident(client: Client, json: boolean, id: string): Promise<void> {
  showOne(await client.call('GET /incidents/{id}', { params: { id } }), json);
}

export async function acknowledgeIncident(client: Client, json: boolean, id: string): Promise<void> {
  const incident = await client.call('POST /incidents/{id}/acknowledge', { params: { id } });
  showDone(incident, [`Acknowledged: ${incident.title}`, `Next: ${incident.next_step}`], json);
}

export async function closeIncident(client: Client, json: boolean, id: string, reason: string): Promise<void> {
  const incident = await client.call('POST /incidents/{id}/close', { params: { id }, body: { reason } });
  showDone(incident, `Closed: ${incident.title}`, json);
}

/** The middle and the slow end. */
function within({ p50, p95 }: IncidentFigures['items'][number]['seconds_to_close']): string {
  if (p50 === null) return absent;
  return `${formatAge(p50 * 1000)} (p95 ${formatAge((p95 ?? p50) * 1000)})`;
}
