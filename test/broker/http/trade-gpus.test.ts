// What the parties of a trade learn of its GPUs: labels, scores, and when they were verified.
import { expect, test } from 'vitest';
import { million } from '../../fixtures/market.ts';
import { addGpu, addNode } from '../../fixtures/registry.ts';
import { startFullApi } from './full-api.ts';
import { addOrder, addSupply } from './trading.ts';

test('both see the GPUs that it holds as they are now, nobody else does, and after its end there are none', async () => {
  const api = await startFullApi();
  const { provider, consumer } = api.principals;
  const { accountId } = provider;
  const supply = await addSupply(api.pipeline, { accountId, price: million, gpus: 2 });
  const node = await addNode(api.db, accountId);
  const verified_at = new Date('2026-01-02T00:00:00Z');
  const [first = '', second = ''] = supply.gpus.map(({ id }) => id);
  await addGpu(api.db, node, { id: first, label: 'challenge-verified', score: 97, verified_at });
  await addGpu(api.db, node, { id: second, label: 'self-reported' });
  const bid = { accountId: consumer.accountId, price: million, quantity: 2 };
  const { trades } = await addOrder(api.pipeline, bid);
  const id = trades[0]?.id ?? '';
  const shown = async (who: 'provider' | 'consumer' | 'admin') =>
    (await api.as(who).get(`/trades/${id}/gpus`)).body.items;
  const model = 'NVIDIA H100 80GB HBM3';
  const at = { measured_at: null, verified_at: verified_at.toISOString() };
  const expected = [
    { gpu_id: first, model, label: 'challenge-verified', score: 97, ...at },
    { gpu_id: second, model, label: 'self-reported', score: null, measured_at: null, verified_at: null },
  ];
  for (const who of ['provider', 'consumer', 'admin'] as const) {
    expect(new Set(await shown(who))).toEqual(new Set(expected));
  }
  expect((await api.as('developer').get(`/trades/${id}/gpus`)).status).toBe(404);
  await api.db.updateTable('gpus').set({ label: 'self-reported', score: null }).where('id', '=', first).execute();
  expect(await shown('consumer')).toMatchObject([{ label: 'self-reported' }, { label: 'self-reported' }]);
  await api.as('admin').post(`/trades/${id}/end`, { reason: 'over' });
  expect(await shown('consumer')).toEqual([]);
});
