// `gpubroker incidents`: what went wrong on nodes, and who looks after it.
import type { Incident, IncidentQuery } from '../../api/incidents.ts';
import type { Client } from '../../client/client.ts';
import { ago, type Columns, collect, showDone, showList, showOne, word } from './show.ts';

const columns: Columns<Incident> = {
  ID: ({ id }) => id,
  SEVERITY: ({ severity }) => word(severity),
  STATUS: ({ status }) => word(status),
  KIND: ({ kind }) => kind,
  TIMES: ({ occurrences }) => occurrences,
  OPENED: ({ opened_at }) => ago(opened_at),
  TITLE: ({ title }) => title,
};

export async function listIncidents(client: Client, json: boolean, query: IncidentQuery, limit: number): Promise<void> {
  const items = await collect(client.all('GET /incidents', { query }), limit);
  showList(items, { json, columns, nothing: 'No incident: all is well.' });
}

export async function showIncident(client: Client, json: boolean, id: string): Promise<void> {
  showOne(await client.call('GET /incidents/{id}', { params: { id } }), json);
}

export async function acknowledgeIncident(client: Client, json: boolean, id: string): Promise<void> {
  const incident = await client.call('POST /incidents/{id}/acknowledge', { params: { id } });
  showDone(incident, `Acknowledged: ${incident.title}. Next: ${incident.next_step}`, json);
}

export async function closeIncident(client: Client, json: boolean, id: string, reason: string): Promise<void> {
  const incident = await client.call('POST /incidents/{id}/close', { params: { id }, body: { reason } });
  showDone(incident, `Closed: ${incident.title}`, json);
}
