// `gpubroker gpus search`: every flag reaches the API, and filters.
import { expect, test } from 'vitest';
import { gpuFilterFlags } from '../../../src/cli/broker/gpu-filters.ts';
import { sharedBroker } from './broker.ts';
import { addFleet, type Fleet } from './supply.ts';

let fleet: Fleet;
const broker = sharedBroker(async (served) => {
  fleet = await addFleet(served);
});

const names = { one: () => fleet.hopper.gpu, two: () => fleet.ada.gpu, gone: () => fleet.removed };
type Name = keyof typeof names;

async function found(...flags: string[]): Promise<Name[]> {
  const { items } = await broker().json('provider', 'gpus', 'search', ...flags);
  const ids = items.map(({ id }: { id: string }) => id);
  return (Object.keys(names) as Name[]).filter((name) => ids.includes(names[name]()));
}

const cases: [string, () => string[], Name[]][] = [
  ['provider_id', () => [fleet.hopper.providerId], ['one']],
  ['cluster_id', () => [fleet.ada.clusterId], ['two']],
  ['node_id', () => [fleet.ada.nodeId], ['two']],
  ['region', () => ['us-1'], ['two']],
  ['vendor', () => ['nvidia'], ['one']],
  ['model', () => ['NVIDIA L4'], ['two']],
  ['q', () => ['h100'], ['one']],
  ['product', () => ['L4-PCIe-24GB'], ['two']],
  ['form_factor', () => ['SXM5'], ['one']],
  ['interconnect', () => ['PCIe4'], ['two']],
  ['architecture', () => ['ada'], ['two']],
  ['memory_gb_min', () => ['40'], ['one']],
  ['memory_gb_max', () => ['40'], ['two']],
  ['compute_capability_min', () => ['9.0'], ['one']],
  ['driver_version', () => ['570.1'], ['one']],
  ['cuda_version', () => ['12.6'], ['two']],
  ['vbios_version', () => ['96.1'], ['one']],
  ['health', () => ['unhealthy'], ['two']],
  ['status', () => ['maintenance'], ['two']],
  ['node_status', () => ['healthy'], ['one']],
  ['label_min', () => ['measured'], ['one']],
  ['score_min', () => ['50'], ['one']],
  ['serial', () => ['S2'], ['two']],
  ['uuid', () => ['GPU-one'], ['one']],
  ['ecc', () => [], ['one']],
  ['ecc', () => ['no'], ['two']],
  ['mig', () => ['yes'], ['one']],
  ['parent', () => ['gpu-parent'], ['two']],
  ['numa_node', () => ['1'], ['one']],
  ['recommended_action', () => ['RESET_GPU'], ['two']],
  ['condition', () => ['DriverHealth:False'], ['two']],
  ['attributes', () => ['{"pci":{"maxLinkGeneration":5}}'], ['one']],
  ['include_removed', () => [], ['one', 'two', 'gone']],
];

test.each(cases)('--%s', async (name, values, expected) => {
  expect(await found()).toEqual(['one', 'two']);
  expect(await found(`--${name.replaceAll('_', '-')}`, ...values())).toEqual(expected);
});

test('every flag is tried above', () => {
  expect(new Set(cases.map(([name]) => name))).toEqual(new Set(Object.keys(gpuFilterFlags)));
});

test('flags together must all hold; nothing found is said', async () => {
  expect(await found('--region', 'us-1', '--health', 'unhealthy')).toEqual(['two']);
  const none = await broker().as('provider', 'gpus', 'search', '--region', 'us-1', '--health', 'healthy');
  expect(none).toEqual({ code: 0, stdout: '', stderr: 'No GPU is like that.\n' });
});

test('--sort and --order', async () => {
  const scores = async (order: string) => {
    const { items } = await broker().json('provider', 'gpus', 'search', '--sort', 'score', '--order', order);
    return items.map(({ score }: { score: number }) => score);
  };
  expect(await scores('asc')).toEqual([10, 90]);
  expect(await scores('desc')).toEqual([90, 10]);
});

test('the table tells why a GPU is not healthy', async () => {
  const { stdout } = await broker().as('provider', 'gpus', 'search', '--health', 'unhealthy');
  const [heading, line] = stdout.split('\n');
  expect(heading).toMatch(/^ID +PRODUCT +HEALTH +STATUS +LABEL +REGION +NODE +REASON$/);
  expect(line).toMatch(/L4-PCIe-24GB +unhealthy +maintenance +simulated +us-1 +\S+ +Xid79$/);
});

test.each([
  [['--health', 'fine'], 'Allowed choices are healthy, unhealthy, unknown'],
  [['--ecc', 'perhaps'], 'Give yes or no'],
  [['--score-min', 'high'], 'Give a number'],
  [['--sort', 'price'], 'Allowed choices'],
  [['--limit', '0'], 'Give a whole number'],
])('%j is wrong usage before anybody is asked', async (flags, said) => {
  const outcome = await broker().as('provider', 'gpus', 'search', ...flags);
  expect(outcome).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(said) });
});

test('what the API does not allow is wrong usage, with what it allows', async () => {
  const outcome = await broker().as('provider', 'gpus', 'search', '--condition', 'DriverHealth');
  expect(outcome).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('query.condition') });
  expect(outcome.stderr).toContain('[GPUB_INVALID]');
});

test('of others nothing is found', async () => {
  expect(await broker().json('consumer', 'gpus', 'search')).toEqual({ items: [] });
});
