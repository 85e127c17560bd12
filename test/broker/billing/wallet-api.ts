// The routes of wallets on a market of its own.
import { sql } from 'kysely';
import { inject, onTestFinished } from 'vitest';
import { walletRoutes } from '../../../src/broker/api/http/routes/wallets.ts';
import type { RunningPipeline } from '../../../src/broker/commit/pipeline.ts';
import type { Database } from '../../../src/broker/storage/database.ts';
import { startTestApi, type TestApi } from '../../fixtures/broker-http.ts';
import { createTestPipeline } from '../../fixtures/market.ts';

export interface WalletApi extends TestApi {
  readonly pipeline: RunningPipeline;
}

/** Starts it; it ends with the test. Call it inside of a test. */
export async function startWalletApi(paymentSecrets: readonly string[] = [], now?: () => Date): Promise<WalletApi> {
  let pipeline: RunningPipeline | undefined;
  const api = await startTestApi(
    async (app, services) => {
      pipeline = createTestPipeline(await urlOf(services.db));
      await pipeline.start();
      walletRoutes(app, { ...services, pipeline, paymentSecrets });
    },
    now ? { now } : {},
  );
  const running = pipeline as unknown as RunningPipeline;
  onTestFinished(() => running.stop());
  return { ...api, pipeline: running };
}

/** Of a database that `testDatabase` made. */
async function urlOf(db: Database): Promise<string> {
  const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(db);
  return inject('postgresUrl').replace('/gpubroker?', `/${rows[0]?.name}?`);
}
