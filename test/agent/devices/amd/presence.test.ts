// AMD's cards that come, fall off the bus and go; and those GPUs that are never offered.
import { expect, test } from 'vitest';
import { type AmdCard, addMi300x, addRadeon, addRadeonInCpu } from '../../../fixtures/host/amd-cards.ts';
import { addPciFunction, h100Pci } from '../../../fixtures/host/pci.ts';
import { until } from '../watched-source.ts';
import { watchAmd, watchReadAmd } from './watch-amd.ts';

test('a card that falls off the bus is lost, and its neighbour is not', async () => {
  const cards: AmdCard[] = [];
  const watched = await watchReadAmd((tree) => {
    cards.push(
      addMi300x(tree, '0000:05:00.0', { unique_id: '1' }),
      addMi300x(tree, '0000:85:00.0', { unique_id: '2' }),
    );
  }, 2);
  cards[0]?.fallOff();
  await until(() => watched.states().includes('lost'));
  expect(watched.device(0)).toMatchObject({ state: 'lost', message: expect.stringContaining('0000:05:00.0') });
  expect(watched.device(1).state).toBe('ok');
});

test('a card that the kernel takes away is missing, then removed; one that comes is found', async () => {
  let card: AmdCard | undefined;
  const watched = await watchReadAmd((tree) => {
    card = addMi300x(tree, '0000:05:00.0', { unique_id: '1' });
    addMi300x(tree, '0000:85:00.0', { unique_id: '2' });
  }, 2);
  card?.vanish();
  await until(() => watched.told.some(({ state }) => state === 'removed'));
  const of = watched.told.filter(({ uuid }) => uuid === 'GPU-0000000000000001').map(({ state }) => state);
  expect(of.slice(-3)).toEqual(expect.arrayContaining(['missing', 'removed']));
  addRadeon(watched.tree, '0000:03:00.0');
  await until(() => watched.supervisor.views().devices.length === 2);
});

test('a driver that is unloaded takes all cards with it until it is back', async () => {
  const watched = await watchReadAmd((tree) => addMi300x(tree, '0000:05:00.0'));
  watched.tree.remove('sys/bus/pci/drivers/amdgpu');
  await until(() => watched.states().includes('driver-gone'));
  addMi300x(watched.tree, '0000:05:00.0');
  await until(() => watched.states().every((state) => state === 'ok'));
});

test('a GPU in a CPU, a virtual function, a card of another driver and one of NVIDIA are not listed', async () => {
  const watched = watchAmd((tree) => {
    addRadeonInCpu(tree, '0000:c1:00.0');
    addRadeonInCpu(tree, '0000:c2:00.0', { mem_info_vram_total: 96 * 2 ** 30 });
    addPciFunction(tree, '0000:07:00.0', { class: '0x030000', vendor: '0x1002', device: '0x74a1' }, 'vfio-pci');
    addPciFunction(tree, '0000:08:00.0', h100Pci, 'nvidia');
    addMi300x(tree, '0000:85:02.0');
    tree.link('sys/devices/pci0000:00/0000:85:02.0/physfn', 'sys/devices/pci0000:00/0000:85:00.0');
    tree.write('sys/devices/pci0000:00/0000:85:00.0/class', '0x120000');
  });
  await until(() => watched.source().enumerated);
  expect(watched.source()).toMatchObject({ state: 'running', devices: 0, message: '' });
});

test('before Linux 6.7, a card is known by its power limit', async () => {
  const watched = await watchReadAmd((tree) => {
    addRadeon(tree, '0000:03:00.0', { board_info: undefined });
    addRadeonInCpu(tree, '0000:c1:00.0');
  });
  expect(watched.device(0).record.pci?.busId).toBe('00000000:03:00.0');
});
