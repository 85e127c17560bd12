// The whole HTTP API, with every route that the broker serves, and what is known of each.
import type { Insertable } from 'kysely';
import { pino } from 'pino';
import { registerAllRoutes } from '../../../src/broker/api/http/routes.ts';
import type { Pipeline } from '../../../src/broker/commit/contract.ts';
import { ChangeStream } from '../../../src/broker/events/stream.ts';
import type { Action } from '../../../src/broker/identity/policy.ts';
import { newId } from '../../../src/broker/ids.ts';
import type { OpenMarket } from '../../../src/broker/open-market.ts';
import type { Schema } from '../../../src/broker/storage/schema.ts';
import { startTestApi, type TestApi } from '../../fixtures/broker-http.ts';
import { openTestMarket } from '../../fixtures/open-market.ts';
import type { TestNode } from '../../fixtures/registry.ts';
import { proofOf, testRecords } from '../../fixtures/verification.ts';

/** A route as it was registered. */
export interface RegisteredRoute {
  readonly method: string;
  /** The template. */
  readonly url: string;
  readonly action: Action | 'public';
}

export interface FullApi extends TestApi {
  readonly routes: readonly RegisteredRoute[];
  readonly pipeline: Pipeline;
}

/** Starts it. Call it inside of a test. */
export async function startFullApi(): Promise<FullApi> {
  const routes: RegisteredRoute[] = [];
  const opened = Promise.withResolvers<OpenMarket>();
  const api = await startTestApi(
    async (app, services, database) => {
      app.addHook('onRoute', ({ method, url, config }) => {
        const { action } = config ?? {};
        if (action === undefined) throw new Error(`${url} has no action`);
        for (const one of [method].flat()) routes.push({ method: one, url, action });
      });
      const changes = new ChangeStream({ ...database, log: pino({ level: 'silent' }), limits: {} });
      const market = await openTestMarket(database);
      opened.resolve(market);
      registerAllRoutes(app, {
        ...services,
        ...market,
        // Payments have a test of their own.
        paymentSecrets: [],
        changes,
        journalRetention: undefined,
        figures: async () => null,
        // What is stored is for telemetry.test.ts; here it counts who may store.
        telemetry: { add: async () => {} },
        telemetryRetention: 48 * 3_600_000,
        // Whether a challenge is put is for the tests of verification/; here nobody is free.
        challenger: { challengeNow: async () => [] },
        streams: { disconnect: () => {}, standing: () => {}, pullInventory: async () => true },
        // Nobody listens there, so a trial message fails at once; that it was tried is what counts here.
        alertChannels: { smtp: undefined, destinations: { insecure: true, private: true }, deadline: 500 },
      });
    },
    { limits: { address: 1e6, signIn: 1e6, email: 1e6, caller: 1e6 } },
  );
  const { pipeline } = await opened.promise;
  return { ...api, routes, pipeline };
}

/** Stores an incident of a provider. */
export async function addIncident(api: TestApi, providerId: string): Promise<string> {
  const id = newId();
  const at = new Date();
  const row: Insertable<Schema['incidents']> = {
    id,
    kind: 'node-offline',
    severity: 'critical',
    status: 'open',
    subject: `node:${id}`,
    provider_id: providerId,
    cluster_id: null,
    node_id: null,
    gpu_id: null,
    title: 'a node is offline',
    details: '{}',
    opened_at: at,
    last_seen_at: at,
    acknowledged_at: null,
    acknowledged_by: null,
    closed_at: null,
    closed_reason: null,
  };
  await api.db.insertInto('incidents').values(row).execute();
  return id;
}

/** Stores what came of challenging a GPU. */
export async function addVerification(api: TestApi, node: TestNode, gpuId: string): Promise<string> {
  const result = proofOf({ nodeId: node.nodeId, gpuId }, new Date());
  await testRecords({ db: api.db, now: () => new Date() }).proven(result);
  return result.id;
}
