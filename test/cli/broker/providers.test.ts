// Providers on the command line: tables, JSON, and what is refused.
import { expect, test } from 'vitest';
import { sharedBroker } from './broker.ts';

const broker = sharedBroker();

test('one is registered, shown, verified, changed, suspended and deleted', async () => {
  const { as, json } = broker();
  const created = await as('provider', 'providers', 'create', 'north', '--company', 'Northern GPUs GmbH');
  expect(created).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Registered north: [0-9a-f-]{36}\n$/) });
  const [, id = ''] = /: (\S+)/.exec(created.stdout) ?? [];

  const list = await as('provider', 'providers', 'list');
  const [heading, line] = list.stdout.split('\n');
  expect(heading).toMatch(/^ID +NAME +COMPANY +STATUS +CREATED$/);
  expect(line).toMatch(new RegExp(`^${id} +north +Northern GPUs GmbH +pending_kyc +\\d+s ago$`));
  expect(await json('provider', 'providers', 'list')).toMatchObject({ items: [{ id, status: 'pending_kyc' }] });

  expect((await as('admin', 'providers', 'verify', id)).stdout).toBe('north is verified and may sell.\n');
  expect(await json('admin', 'providers', 'list', '--status', 'verified')).toMatchObject({ items: [{ id }] });
  expect((await as('provider', 'providers', 'change', id, '--name', 'south')).stdout).toBe('Changed south.\n');
  const suspended = await as('admin', 'providers', 'suspend', id, '--reason', 'unpaid fees');
  expect(suspended.stdout).toBe('south is suspended: unpaid fees\n');
  const shown = await as('provider', 'providers', 'get', id);
  expect(shown.stdout).toMatch(/^status_reason +unpaid fees$/m);
  expect(await json('provider', 'providers', 'get', id)).toMatchObject({ name: 'south', status: 'suspended' });
  expect((await as('provider', 'providers', 'delete', id)).stdout).toBe(`Deleted provider ${id}.\n`);
  expect(await as('provider', 'providers', 'list')).toMatchObject({
    code: 0,
    stdout: '',
    stderr: 'No provider yet; `gpubroker providers create` registers one.\n',
  });
});
