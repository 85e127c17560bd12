// The metrics of what is traded, of a real market.
import { expect, test } from 'vitest';
import { observeMarket } from '../../../src/broker/market/market-metrics.ts';
import { h100, million, startTestMarket } from '../../fixtures/market.ts';

test('prices, GPUs, orders, halts and what was sold', async () => {
  const market = await startTestMarket();
  const { registry, pipeline } = market;
  const stop = observeMarket(registry, pipeline);
  await market.addNode({ gpus: 8, price: 2 * million });
  const accountId = await market.addAccount();
  await market.place({ accountId, quantity: 3, price: 3 * million, durationHours: 10 });
  await market.place({ accountId, price: million });
  const scraped = async () => (await registry.metrics()).split('\n');
  const product = `product="${h100}"`;
  expect(await scraped()).toEqual(
    expect.arrayContaining([
      'gpubroker_market_open_orders{type="bid"} 1',
      'gpubroker_market_open_orders{type="ask"} 1',
      `gpubroker_market_halted{${product}} 0`,
      `gpubroker_market_last_price_usd{${product}} 2.5`,
      `gpubroker_market_best_price_usd{${product},type="bid"} 1`,
      `gpubroker_market_best_price_usd{${product},type="ask"} 2`,
      `gpubroker_market_gpus{${product},state="leased"} 3`,
      `gpubroker_market_gpus{${product},state="free"} 5`,
      `gpubroker_market_gpu_hours_sold_total{${product}} 30`,
      `gpubroker_market_turnover_usd_total{${product}} 75`,
    ]),
  );
  await market.submit({ kind: 'halt', product: h100, reason: 'a test' });
  expect(await scraped()).toContain(`gpubroker_market_halted{${product}} 1`);
  stop();
});

test('a market that cannot be read has no values, and the scrape goes on', async () => {
  const { registry, pipeline } = await startTestMarket();
  observeMarket(registry, pipeline);
  await pipeline.stop();
  const text = await registry.metrics();
  expect(text).toContain('# TYPE gpubroker_market_open_orders gauge');
  expect(text).not.toMatch(/^gpubroker_market_open_orders\{/m);
});
