// The routes of incidents.
import { IdParams } from '../../../../api/fields.ts';
import {
  CloseIncident,
  Incident,
  IncidentFigures,
  IncidentFiguresQuery,
  IncidentPage,
  IncidentQuery,
} from '../../../../api/incidents.ts';
import { incidentFigures, listIncidents, readIncident } from '../../../incidents/list.ts';
import { acknowledge, close } from '../../../incidents/operation.ts';
import { transact } from '../../../storage/transact.ts';
import type { ApiServer } from '../app.ts';
import type { ApiServices } from '../routes.ts';

const tags = ['incidents'];

/** Registers them. */
export function incidentRoutes(app: ApiServer, { db, now }: ApiServices): void {
  app.get(
    '/api/v2/incidents',
    {
      config: { action: 'incident.read' },
      schema: { tags, summary: 'Incidents, newest first', querystring: IncidentQuery, response: { 200: IncidentPage } },
    },
    ({ principal, query }) => listIncidents(db, principal, query),
  );
  app.get(
    '/api/v2/incidents/figures',
    {
      config: { action: 'incident.read' },
      schema: {
        tags,
        summary: 'How many incidents of each kind, and how fast they were dealt with',
        querystring: IncidentFiguresQuery,
        response: { 200: IncidentFigures },
      },
    },
    ({ principal, query }) => incidentFigures(db, principal, query),
  );
  app.get(
    '/api/v2/incidents/:id',
    {
      config: { action: 'incident.read' },
      schema: { tags, summary: 'One incident', params: IdParams, response: { 200: Incident } },
    },
    ({ principal, params }) => readIncident(db, principal, params.id),
  );
  app.post(
    '/api/v2/incidents/:id/acknowledge',
    {
      config: { action: 'incident.operate' },
      schema: { tags, summary: 'Say that somebody knows of it', params: IdParams, response: { 200: Incident } },
    },
    ({ principal, params }) => transact(db, (trx) => acknowledge(trx, now(), principal, params.id)),
  );
  app.post(
    '/api/v2/incidents/:id/close',
    {
      config: { action: 'incident.operate' },
      schema: {
        tags,
        summary: 'Close it by hand',
        params: IdParams,
        body: CloseIncident,
        response: { 200: Incident },
      },
    },
    ({ principal, params, body }) => transact(db, (trx) => close(trx, now(), principal, params.id, body.reason)),
  );
}
