// The routes of telemetry.
import { Type } from 'typebox';
import { Id, IdParams } from '../../../../api/fields.ts';
import {
  NodeTelemetry,
  TelemetryAccepted,
  TelemetryBatch,
  TelemetryPage,
  TelemetryQuery,
} from '../../../../api/telemetry.ts';
import { nodeTelemetry, readTelemetry } from '../../../telemetry/read.ts';
import type { TelemetryStore } from '../../../telemetry/store.ts';
import { submitBatch } from '../../../telemetry/submit.ts';
import type { ApiServer } from '../app.ts';
import type { ApiServices } from '../routes.ts';

const tags = ['telemetry'];

/** What they work with besides the database. */
export interface TelemetryServices extends Pick<ApiServices, 'db' | 'now'> {
  readonly telemetry: TelemetryStore;
  /** How long readings are kept as they came, in milliseconds. */
  readonly telemetryRetention: number;
}

/** Registers them. */
export function telemetryRoutes(app: ApiServer, services: TelemetryServices): void {
  const { db, now, telemetry: store, telemetryRetention: retention } = services;
  const context = { db, now, store, retention };
  app.post(
    '/api/v2/telemetry/batch',
    {
      config: { action: 'telemetry.write' },
      schema: {
        tags,
        summary: 'Submit metrics of a node; at most one event in 5 seconds is taken',
        body: TelemetryBatch,
        response: { 200: TelemetryAccepted },
      },
    },
    ({ principal, body }) => submitBatch(context, principal, body),
  );
  app.get(
    '/api/v2/telemetry/:node_id',
    {
      config: { action: 'telemetry.read' },
      schema: {
        tags,
        summary: 'Metrics of a node over a range of time; the last hour unless from and to are given',
        params: Type.Object({ node_id: Id }),
        querystring: TelemetryQuery,
        response: { 200: TelemetryPage },
      },
    },
    ({ principal, params, query }) => readTelemetry(context, principal, params.node_id, query),
  );
  app.get(
    '/api/v2/nodes/:id/telemetry',
    {
      config: { action: 'telemetry.read' },
      schema: {
        tags,
        summary: 'The last metrics of a node, and the minutes of the last hour',
        params: IdParams,
        response: { 200: NodeTelemetry },
      },
    },
    ({ principal, params }) => nodeTelemetry(context, principal, params.id),
  );
}
