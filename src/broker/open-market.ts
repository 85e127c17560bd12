// The market put together: the pipeline, what feeds it, and what is kept up to date with it.
import type { Registry } from 'prom-client';
import { parseMoney } from '../api/money.ts';
import type { BrokerOptions } from '../daemon/broker-options.ts';
import type { Log } from '../daemon/logger.ts';
import { startTrialCredit } from './billing/trial-credit.ts';
import { createPipeline } from './commit/pipeline.ts';
import { createEngine } from './engine/engine.ts';
import { createIndexPublisher } from './market/index/publisher.ts';
import { observeMarket } from './market/market-metrics.ts';
import type { MarketContext } from './market/orders.ts';
import { createProductNames } from './market/product-names.ts';
import { followProductStates } from './market/product-states.ts';
import { MarketStream } from './market/stream.ts';
import { followSupply } from './market/supply.ts';
import type { Storage } from './storage/open.ts';

export interface MarketOptions {
  readonly storage: Pick<Storage, 'database' | 'leader'>;
  readonly options: Pick<BrokerOptions, 'trialCredit'>;
  readonly log: Log;
  readonly registry: Registry;
  readonly now: () => Date;
}

/** A market that trades: what the API needs of it. */
export interface OpenMarket extends MarketContext {
  readonly marketStream: MarketStream;
  /** Ends it from the outside inwards; what was accepted is stored first. */
  close(): Promise<void>;
}

/** Opens it; resolves when its state is back from the tables and it trades. */
export async function openMarket({ storage, options, log, registry, now }: MarketOptions): Promise<OpenMarket> {
  const { db, pool, url } = storage.database;
  const clock = () => now().getTime();
  const epoch = () => storage.leader.epoch;
  const pipeline = createPipeline({ url, epoch, createEngine, now: clock, log, registry });
  await pipeline.start();
  const names = createProductNames(db, clock);
  const states = await followProductStates(pipeline);
  const stopCounting = observeMarket(registry, pipeline);
  const supply = await followSupply({ db, pool, pipeline, log, registry });
  const index = createIndexPublisher({ db, pipeline, now: clock, log, registry });
  index.start();
  const marketStream = new MarketStream({ db, pipeline, now: clock, log });
  const trialCredit = startTrialCredit({ db, now, pipeline, log, amount: parseMoney(options.trialCredit) ?? 0 });
  return {
    db,
    now,
    pipeline,
    names,
    states,
    marketStream,
    close: async () => {
      await trialCredit.stop();
      await index.stop();
      await supply.stop();
      await pipeline.stop();
      states.stop();
      stopCounting();
    },
  };
}
