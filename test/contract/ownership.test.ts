// Several providers report on one GPU: each replaces its own conditions and action, and nobody else's.
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';
import type { Outcome, WireGpu } from '../fixtures/node-client.ts';
import { runs } from '../properties.ts';

let server: RunningCacheServer;
let name = '';
let count = 0;
beforeAll(async () => {
  server = await startCacheServer();
});
afterAll(() => server.remove());
beforeEach(async () => {
  count += 1;
  name = `gpu-${count}`;
  await server.client.ok('CreateGpu', { gpu: { metadata: { name }, spec: { uuid: name } } });
});

/** Reports conditions, given as `Type=Status`, and an action. */
function report(
  provider: string | undefined,
  conditions: readonly string[],
  recommended_action = '',
): Promise<Outcome<{ gpu: WireGpu }>> {
  const reported = conditions.map((one) => ({ type: one.split('=')[0], status: one.split('=')[1] }));
  return server.client.call(
    'UpdateGpuStatus',
    { name, status: { conditions: reported, recommended_action } },
    provider,
  );
}

async function get(): Promise<WireGpu> {
  return (await server.client.ok('GetGpu', { name })).gpu;
}

async function shown(): Promise<string[]> {
  return (await get()).status.conditions.map(({ type, status }) => `${type}=${status}`);
}

async function action(): Promise<string> {
  return (await get()).status.recommended_action;
}

describe('conditions', () => {
  test('of several providers stand side by side, ordered by type', async () => {
    await report('nvml', ['NVMLReady=True', 'Ready=True']);
    await report('dcgm', ['DCGMHealth=False']);
    expect(await shown()).toEqual(['DCGMHealth=False', 'NVMLReady=True', 'Ready=True']);
  });

  test('that a provider reports no more go, and only its own', async () => {
    await report('nvml', ['NVMLReady=True', 'Ready=True']);
    await report('dcgm', ['DCGMHealth=True', 'Degraded=False']);
    await report('dcgm', ['DCGMHealth=True']);
    expect(await shown()).toEqual(['DCGMHealth=True', 'NVMLReady=True', 'Ready=True']);
    await report('nvml', []);
    expect(await shown()).toEqual(['DCGMHealth=True']);
  });

  test('of another provider cannot be written: FAILED_PRECONDITION names the owner, and nothing changes', async () => {
    await report('nvml', ['NVMLReady=True']);
    await report('dcgm', ['DCGMHealth=True']);
    const before = await get();
    const outcome = await report('dcgm', ['DCGMHealth=False', 'NVMLReady=False'], 'ResetGPU');
    expect(outcome).toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect((outcome as { details: string }).details).toMatch(/NVMLReady.*\bnvml\b/);
    expect(await get()).toEqual(before);
  });

  test('cannot even be confirmed by another provider', async () => {
    await report('nvml', ['NVMLReady=True']);
    expect(await report('dcgm', ['NVMLReady=True'])).toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  test('that their provider gave up may be taken by another', async () => {
    await report('nvml', ['Ready=True']);
    await report('nvml', []);
    expect(await report('dcgm', ['Ready=False'])).toHaveProperty('ok');
    expect(await report('nvml', ['Ready=True'])).toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(await shown()).toEqual(['Ready=False']);
  });

  test('written without a provider id belong to the provider "default"', async () => {
    await report(undefined, ['Ready=True']);
    expect(await report('dcgm', ['Ready=False'])).toMatchObject({
      code: 'FAILED_PRECONDITION',
      details: expect.stringContaining('default'),
    });
    expect(await report('default', ['Ready=False'])).toHaveProperty('ok');
    expect(await shown()).toEqual(['Ready=False']);
  });

  test('given with CreateGpu belong to the provider that created the GPU', async () => {
    name = `${name}-created`;
    const status = { conditions: [{ type: 'Ready', status: 'True' }], recommended_action: 'RestartApp' };
    await server.client.ok('CreateGpu', { gpu: { metadata: { name }, spec: { uuid: name }, status } }, 'nvml');
    expect(await report('dcgm', ['Ready=False'])).toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(await report('nvml', ['Ready=False'])).toHaveProperty('ok');
    expect(await action()).toBe('');
  });

  test('are told apart by the spelling of their type', async () => {
    await report('nvml', ['Ready=True']);
    expect(await report('dcgm', ['ready=False'])).toHaveProperty('ok');
    expect(await shown()).toEqual(['Ready=True', 'ready=False']);
  });

  test.each(['constructor', 'toString', 'hasOwnProperty'])('and a provider may be called %s', async (provider) => {
    await report(provider, ['Ready=True'], 'ResetGPU');
    expect(await shown()).toEqual(['Ready=True']);
    expect(await action()).toBe('ResetGPU');
    await report(provider, []);
    expect(await action()).toBe('');
  });

  test.each(['__proto__', 'constructor', 'toString'])('and a type may be called %s', async (type) => {
    await report('nvml', [`${type}=True`]);
    expect(await report('dcgm', [`${type}=False`])).toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(await shown()).toEqual([`${type}=True`]);
  });

  test('of two providers that write at once are both kept', async () => {
    const writes = Array.from({ length: 50 }, (_, i) => [
      report('nvml', [i % 2 === 0 ? 'NVMLReady=True' : 'NVMLReady=False']),
      report('dcgm', [i % 2 === 0 ? 'DCGMHealth=False' : 'DCGMHealth=True']),
    ]).flat();
    for (const outcome of await Promise.all(writes)) expect(outcome).toHaveProperty('ok');
    expect(await shown()).toEqual(['DCGMHealth=True', 'NVMLReady=False']);
  });
});

/** Least severe first. */
const actions = [
  'RestartApp',
  'ReportIssue',
  'RunExtendedUtilityDiagnostics',
  'RunFieldDiagnostics',
  'ResetGPU',
  'ResetFabric',
  'RestartVM',
  'RebootNode',
];

describe('the recommended action', () => {
  test('is the most severe that any provider recommends', async () => {
    for (const [i, more] of actions.entries()) {
      for (const less of actions.slice(0, i)) {
        await report('a', [], more);
        await report('b', [], less);
        expect(await action()).toBe(more);
        await report('a', [], less);
        await report('b', [], more);
        expect(await action()).toBe(more);
      }
    }
  });

  test('of a provider stays until that provider takes it back; then the next severe shows', async () => {
    await report('a', [], 'RebootNode');
    await report('b', [], 'ResetGPU');
    await report('c', ['Ready=True']);
    expect(await action()).toBe('RebootNode');
    await report('a', []);
    expect(await action()).toBe('ResetGPU');
    await report('b', []);
    expect(await action()).toBe('');
  });

  test('that nobody knows ranks least, and is served where there is no other', async () => {
    await report('a', [], 'CallTheManufacturer');
    expect(await action()).toBe('CallTheManufacturer');
    await report('b', [], 'RestartApp');
    expect(await action()).toBe('RestartApp');
  });
});

describe('any sequence of reports by three providers', () => {
  const types = ['Ready', 'NVMLReady', 'DCGMHealth', 'Degraded'];
  const providers = ['nvml', 'dcgm', 'other'];
  const reported = fc.record({
    provider: fc.constantFrom(...providers),
    conditions: fc.dictionary(fc.constantFrom(...types), fc.constantFrom('True', 'False', 'Unknown'), {
      noNullPrototype: true,
    }),
    action: fc.constantFrom('', ...actions),
  });

  test('leads to what a naive model says', async () => {
    let runOfProperty = 0;
    const property = fc.asyncProperty(fc.array(reported, { maxLength: 15 }), async (reports) => {
      runOfProperty += 1;
      name = `gpu-model-${runOfProperty}`;
      await server.client.ok('CreateGpu', { gpu: { metadata: { name }, spec: { uuid: name } } });
      const model = new Map<string, { conditions: Record<string, string>; action: string }>();
      for (const one of reports) {
        const foreign = [...model].some(
          ([provider, { conditions }]) =>
            provider !== one.provider && Object.keys(one.conditions).some((type) => type in conditions),
        );
        const lines = Object.entries(one.conditions).map(([type, status]) => `${type}=${status}`);
        const outcome = await report(one.provider, lines, one.action);
        if (foreign) expect(outcome).toMatchObject({ code: 'FAILED_PRECONDITION' });
        else model.set(one.provider, one);
        const all = [...model.values()];
        const expected = all.flatMap(({ conditions }) => Object.entries(conditions).map((pair) => pair.join('=')));
        expect(await shown()).toEqual(expected.sort());
        const worst = Math.max(-1, ...all.map((entry) => actions.indexOf(entry.action)));
        expect(await action()).toBe(actions[worst] ?? '');
      }
      await server.client.ok('DeleteGpu', { name });
    });
    await fc.assert(property, runs(50, 2000));
  }, 600_000);
});
