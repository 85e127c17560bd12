// The matrix of incidents, alert rules and alerts.
import { newId } from '../../../../src/broker/ids.ts';
import { addNode } from '../../../fixtures/registry.ts';
import { addIncident } from '../full-api.ts';
import type { MatrixRow } from './row.ts';

function onIncident(route: string, body?: unknown): MatrixRow {
  return {
    route,
    success: 200,
    async call(api, owner) {
      const { providerId } = await addNode(api.db, owner.accountId);
      return { params: { id: await addIncident(api, providerId) }, ...(body === undefined ? {} : { body }) };
    },
  };
}

const rule = {
  name: 'r',
  condition: { type: 'incident', min_severity: 'critical' },
  channels: [{ type: 'webhook', url: 'http://127.0.0.1:9/', secret: 'a secret of the receiver' }],
};

function onRule(route: string, success: number, body?: unknown): MatrixRow {
  return {
    route,
    success,
    async call(api, owner) {
      const made = await api.as(owner).post('/alert-rules', rule);
      return { params: { id: made.body.id }, ...(body === undefined ? {} : { body }) };
    },
  };
}

export const rows: MatrixRow[] = [
  { route: 'GET /api/v2/incidents', success: 200 },
  { route: 'GET /api/v2/incidents/figures', success: 200 },
  onIncident('GET /api/v2/incidents/:id'),
  onIncident('POST /api/v2/incidents/:id/acknowledge'),
  onIncident('POST /api/v2/incidents/:id/close', { reason: 'seen to' }),
  { route: 'POST /api/v2/alert-rules', success: 201, call: () => ({ body: rule }) },
  { route: 'GET /api/v2/alert-rules', success: 200 },
  onRule('GET /api/v2/alert-rules/:id', 200),
  onRule('PATCH /api/v2/alert-rules/:id', 200, { name: 's' }),
  onRule('DELETE /api/v2/alert-rules/:id', 200),
  onRule('POST /api/v2/alert-rules/:id/test', 200),
  { route: 'GET /api/v2/alerts', success: 200 },
  {
    route: 'GET /api/v2/alerts/:id',
    success: 200,
    async call(api, owner) {
      const made = await api.as(owner).post('/alert-rules', rule);
      const id = newId();
      const at = new Date();
      const fields = {
        id,
        rule_id: made.body.id,
        group_key: '',
        status: 'firing' as const,
        severity: 'critical' as const,
      };
      const times = { opened_at: at, fired_at: at, notified_at: null, clear_since: null, resolved_at: null };
      await api.db
        .insertInto('alerts')
        .values({ ...fields, ...times, subjects: '[]', subject_count: 0 })
        .execute();
      return { params: { id } };
    },
  },
];
