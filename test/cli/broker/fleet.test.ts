// Clusters, nodes, tokens, GPUs, pools, products, snapshots, telemetry and incidents on the command line.
import { expect, test } from 'vitest';
import { sharedBroker } from './broker.ts';
import { addFleet, addIncident, type Fleet } from './supply.ts';

let fleet: Fleet;
const broker = sharedBroker(async (served) => {
  fleet = await addFleet(served);
});
const run = (...words: string[]) => broker().as('provider', ...words);
const json = (...words: string[]) => broker().json('provider', ...words);
const said = async (...words: string[]) => (await run(...words)).stdout;

test('clusters', async () => {
  const provider = fleet.hopper.providerId;
  const made = await said('clusters', 'create', 'rack-2', '--provider', provider, '--region', 'eu-1');
  const [, id = ''] = /^Created rack-2: (\S+)\n$/.exec(made) ?? [];
  expect(await said('clusters', 'list', '--region', 'eu-1')).toMatch(
    /^ID +NAME +REGION +NODES +GPUS +AVAILABLE\n\S+ +rack-2 +eu-1 +0 +0 +0\n$/,
  );
  expect((await json('clusters', 'list', '--provider', provider)).items).toHaveLength(2);
  expect(await json('clusters', 'get', id)).toMatchObject({ id, name: 'rack-2' });
  expect(await said('clusters', 'get', id)).toMatch(/^name +rack-2$/m);
  expect(await said('clusters', 'delete', id)).toBe(`Deleted cluster ${id}.\n`);
});

test('nodes', async () => {
  const list = await said('nodes', 'list');
  expect(list).toMatch(/^ID +HOSTNAME +STATUS +GPUS +STANDING +SEEN +REASON\n/);
  expect(list).toMatch(/ hopper-1 +healthy +1 +in service +- +-$/m);
  expect((await json('nodes', 'list', '--status', 'degraded')).items).toHaveLength(1);
  expect((await json('nodes', 'list', '--hostname', 'ada-1')).items).toHaveLength(1);
  expect((await json('nodes', 'list', '--cluster', fleet.hopper.clusterId)).items).toHaveLength(1);
  const shown = await said('nodes', 'get', fleet.hopper.nodeId);
  expect(shown).toMatch(/^hostname +hopper-1$/m);
  expect(shown).toMatch(new RegExp(`^${fleet.hopper.gpu} +H100-SXM5-80GB +healthy`, 'm'));
  expect(await json('nodes', 'get', fleet.hopper.nodeId)).toMatchObject({ gpus: [{ id: fleet.hopper.gpu }] });

  const added = await said('nodes', 'add', 'gpu-03', '--cluster', fleet.hopper.clusterId);
  const [, id = '', token = ''] = /^Registered gpu-03: (\S+)\nIt joins once .*:\n(\S+)\n$/.exec(added) ?? [];
  expect(token).not.toBe('');
  const renewed = await said('nodes', 'token', id);
  expect(renewed).toMatch(/^\S+\n$/);
  expect(renewed.trim()).not.toBe(token);
  for (const [operation, standing] of [
    ['cordon', 'cordoned'],
    ['uncordon', 'in service'],
    ['drain', 'draining'],
    ['decommission', 'decommissioned'],
  ] as const) {
    expect(await said('nodes', operation, id)).toBe(`Node ${id}: ${operation} done.\n`);
    expect(await said('nodes', 'list', '--decommissioned', '--hostname', 'gpu-03')).toContain(` ${standing} `);
  }
  expect((await json('nodes', 'list', '--hostname', 'gpu-03')).items).toEqual([]);
  expect(await said('nodes', 'pull', fleet.hopper.nodeId)).toContain('is up to date');
});

test('a token is printed alone, and listed without itself', async () => {
  const { clusterId } = fleet.ada;
  const token = await said('tokens', 'create', clusterId, '--max-uses', '50', '--lifetime', '24h');
  expect(token).toMatch(/^\S+\n$/);
  const list = await said('tokens', 'list', clusterId);
  expect(list).toMatch(/^ID +FOR +USES +STATE +CREATED\n\S+ +fleet +0\/50 +open +\d+s ago\n$/);
  expect(list).not.toContain(token.trim());
  const [{ id }] = (await json('tokens', 'list', clusterId)).items;
  expect(await said('tokens', 'revoke', clusterId, id)).toBe(`Revoked token ${id}.\n`);
  expect(await said('tokens', 'list', clusterId)).toContain('revoked');
  expect(await json('tokens', 'create', clusterId)).toMatchObject({ token: expect.any(String) });
});

test('a GPU is shown with its conditions, and put into maintenance', async () => {
  const shown = await said('gpus', 'show', fleet.ada.gpu);
  expect(shown).toMatch(/^serial +S2$/m);
  expect(shown).toMatch(/^DriverHealth +False +Xid79 +\d+s ago +fell off$/m);
  expect(await json('gpus', 'show', fleet.ada.gpu)).toMatchObject({ conditions: [{ reason: 'Xid79' }] });
  const { gpu } = fleet.hopper;
  expect(await said('gpus', 'maintenance', gpu, 'on', '--reason', 'fan')).toBe(`GPU ${gpu} is in maintenance.\n`);
  expect(await json('gpus', 'maintenance', gpu, 'off')).toMatchObject({ status: 'available' });
  expect((await run('gpus', 'maintenance', gpu, 'perhaps')).code).toBe(2);
});

test('pools: by filters, and one by one', async () => {
  const provider = ['--provider', fleet.hopper.providerId];
  const dynamic = await json('pools', 'create', 'hoppers', ...provider, '--memory-gb-min', '40', '--ecc');
  expect(dynamic).toMatchObject({ kind: 'dynamic', selector: { memory_gb_min: 40, ecc: true } });
  expect(await json('pools', 'gpus', dynamic.id)).toMatchObject({ items: [{ id: fleet.hopper.gpu }] });
  const { id } = await json('pools', 'create', 'chosen', ...provider);
  expect(await said('pools', 'add', id, fleet.hopper.gpu)).toBe('1 of 1 GPUs added.\n');
  expect(await said('pools', 'gpus', id)).toContain(fleet.hopper.gpu);
  expect(await said('pools', 'remove', id, fleet.hopper.gpu)).toBe('1 of 1 GPUs removed.\n');
  expect(await said('pools', 'list', ...provider)).toMatch(/ chosen +static +named one by one /);
  expect(await said('pools', 'get', id)).toMatch(/^kind +static$/m);
  expect(await said('pools', 'delete', id)).toContain('its GPUs stay');
});

test('products and mappings', async () => {
  const { as } = broker();
  expect(await said('products', 'list')).toMatch(/^H100-SXM5-80GB +nvidia /m);
  const flags = ['--product', 'H800-SXM5-80GB', '--form-factor', 'SXM5', '--interconnect', 'NVLink4'];
  const mapped = await as('admin', 'products', 'map', 'NVIDIA H800', '--memory-gb', '80', ...flags);
  expect(mapped).toMatchObject({ code: 0, stdout: expect.stringContaining('is sold as H800-SXM5-80GB: 0 GPUs') });
  expect((await as('admin', 'products', 'mappings')).stdout).toMatch(/^nvidia +NVIDIA H800 +80 +H800-SXM5-80GB$/m);
  expect((await as('admin', 'products', 'unmap', 'NVIDIA H800', '--memory-gb', '80')).code).toBe(0);
  expect(await as('admin', 'products', 'mappings')).toMatchObject({
    stdout: '',
    stderr: 'No model was mapped by hand.\n',
  });
});

test('the inventory as it is and as it was', async () => {
  await run('gpus', 'maintenance', fleet.hopper.gpu, 'on');
  const now = await json('inventory', 'snapshot', '--summary');
  expect(now).toMatchObject({ seq: expect.any(Number), items: [{ gpu_id: fleet.hopper.gpu }] });
  expect(now.summary).toEqual([{ product: 'H100-SXM5-80GB', health: 'healthy', gpus: 1 }]);
  expect(await said('inventory', 'snapshot', '--summary')).toMatch(/^PRODUCT +HEALTH +GPUS\n.+\n\nID +PRODUCT +HEALTH/);
  await run('gpus', 'maintenance', fleet.hopper.gpu, 'off');
});

test('telemetry', async () => {
  const { url, people } = broker();
  const { nodeId } = fleet.hopper;
  const at = Date.now() - 60_000;
  const metrics = [0, 1, 2].map((i) => ({
    timestamp: new Date(at + i * 10_000).toISOString(),
    gpus: [{ gpu: 'gpu-0', utilization: 0.5, memory_utilization: 0.25, temperature: 61, power_draw: 300 }],
  }));
  const headers = { authorization: `Bearer ${people.provider.key}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ node_id: nodeId, metrics });
  expect((await fetch(`${url}/api/v2/telemetry/batch`, { method: 'POST', headers, body })).status).toBe(200);
  const shown = await said('telemetry', nodeId, '--resolution', 'raw');
  expect(shown).toMatch(/^TIME +STATUS +GPUS +UTILIZATION +MEMORY +HOTTEST +POWER\n/);
  expect(shown).toMatch(/ 1 +50 % +25 % +61 °C +300 W$/m);
  expect((await json('telemetry', nodeId, '--from', '1h', '--resolution', 'raw')).metrics).toHaveLength(3);
  const some = await run('telemetry', nodeId, '--resolution', 'raw', '--limit', '2', '--json');
  expect([JSON.parse(some.stdout).metrics.length, some.stderr]).toEqual([2, expect.stringContaining('more than 2')]);
  expect(await run('telemetry', fleet.ada.nodeId)).toMatchObject({
    code: 0,
    stderr: 'Nothing was measured in this time.\n',
  });
});

test('incidents', async () => {
  const one = await addIncident(broker(), fleet.hopper, 'hopper-1 is offline');
  const two = await addIncident(broker(), fleet.ada, 'ada-1 is offline');
  expect(await said('incidents', 'acknowledge', one)).toMatch(/^Acknowledged: hopper-1 is offline\nNext: \S/);
  const ids = async (...flags: string[]) =>
    (await json('incidents', 'list', ...flags)).items.map(({ id }: { id: string }) => id);
  expect(await ids()).toEqual([two, one]);
  expect(await ids('--status', 'open')).toEqual([two]);
  expect(await ids('--status', 'acknowledged')).toEqual([one]);
  expect(await ids('--node', fleet.ada.nodeId)).toEqual([two]);
  expect(await ids('--severity', 'info')).toEqual([]);
  expect(await said('incidents', 'close', two, '--reason', 'card replaced')).toBe('Closed: ada-1 is offline\n');
  expect(await ids('--status', 'closed')).toEqual([two]);
  expect(await said('incidents', 'list')).toMatch(
    / critical +acknowledged +node-offline +1 +\S+ ago +hopper-1 is offline$/m,
  );
  expect(await said('incidents', 'get', two)).toMatch(/^closed_reason +card replaced$/m);
  expect(await said('incidents', 'figures', '--from', '1h')).toMatch(/^node-offline +2 +1 +2 +/m);
});
