// Which product a GPU is: by id, by name, with the memory that fits, and nothing where anything contradicts.
import { describe, expect, test } from 'vitest';
import { PROFILES } from '../../../../src/agent/devices/simulated/profiles.ts';
import { products } from '../../../../src/broker/registry/products/products.ts';
import { classify, type ProductMapping, type ReportedGpu } from '../../../../src/broker/registry/products/taxonomy.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

type Case = [name: string, gpu: Partial<ReportedGpu>, product: string | null, interconnect?: string];

/** The memory that the vendors' own drivers report, where it is on record. */
const cases: Case[] = [
  ['H100 SXM by id', { pciDeviceId: 0x233010de, memoryBytes: 81_559 * MIB }, 'H100-SXM5-80GB', 'NVLink4'],
  ['H100 SXM by name', { model: 'NVIDIA H100 80GB HBM3', memoryBytes: 81_559 * MIB }, 'H100-SXM5-80GB', 'NVLink4'],
  ['H100 PCIe by name', { model: 'NVIDIA H100 PCIe', memoryBytes: 81_559 * MIB }, 'H100-PCIE-80GB', 'PCIe5'],
  ['H100 PCIe by id', { pciDeviceId: 0x233110de, memoryBytes: 81_559 * MIB }, 'H100-PCIE-80GB', 'PCIe5'],
  ['a bridged H100 PCIe', { pciDeviceId: 0x233110de, memoryBytes: 80 * GIB, nvlinks: 12 }, 'H100-PCIE-80GB', 'NVLink4'],
  ['H100 NVL', { model: 'NVIDIA H100 NVL', memoryBytes: 95_830 * MIB }, 'H100-NVL-94GB'],
  ['H200', { model: 'NVIDIA H200', pciDeviceId: 0x233510de, memoryBytes: 143_771 * MIB }, 'H200-SXM5-141GB'],
  ['H200 NVL', { model: 'NVIDIA H200 NVL', memoryBytes: 143_771 * MIB }, 'H200-NVL-141GB'],
  ['A100 40 SXM', { model: 'NVIDIA A100-SXM4-40GB', memoryBytes: 40_536 * MIB }, 'A100-SXM4-40GB'],
  ['A100 80 SXM', { model: 'NVIDIA A100-SXM4-80GB', memoryBytes: 81_920 * MIB }, 'A100-SXM4-80GB'],
  ['A100 40 PCIe', { pciDeviceId: 0x20f110de, memoryBytes: 40_536 * MIB }, 'A100-PCIE-40GB'],
  ['A100 80 PCIe', { model: 'NVIDIA A100 80GB PCIe', memoryBytes: 81_920 * MIB }, 'A100-PCIE-80GB'],
  ['T4', { model: 'Tesla T4', memoryBytes: 15_360 * MIB }, 'T4-PCIE-16GB'],
  ['L4', { model: 'NVIDIA L4', memoryBytes: 23_034 * MIB }, 'L4-PCIE-24GB'],
  ['A10', { model: 'NVIDIA A10', memoryBytes: 23_028 * MIB }, 'A10-PCIE-24GB'],
  ['L40 by id', { pciDeviceId: 0x26b510de, memoryBytes: 46_068 * MIB }, 'L40-PCIE-48GB'],
  ['L40S by its own id', { pciDeviceId: 0x26b910de, memoryBytes: 46_068 * MIB }, 'L40S-PCIE-48GB'],
  [
    'L40S by id and subsystem',
    { pciDeviceId: 0x26b510de, pciSubsystemId: 0x169710de, memoryBytes: 46_068 * MIB },
    'L40S-PCIE-48GB',
  ],
  ['B200', { model: 'NVIDIA B200', pciDeviceId: 0x290110de, memoryBytes: 183_359 * MIB }, 'B200-SXM6-180GB'],
  ['RTX 3090', { model: 'NVIDIA GeForce RTX 3090', memoryBytes: 24 * GIB }, 'RTX-3090-PCIE-24GB'],
  ['RTX 4090', { model: 'NVIDIA GeForce RTX 4090', memoryBytes: 24_564 * MIB }, 'RTX-4090-PCIE-24GB'],
  ['MI300X OAM', { vendor: 'amd', model: 'AMD Instinct MI300X OAM', memoryBytes: 196_592 * MIB }, 'MI300X-OAM-192GB'],
  ['MI300X', { vendor: 'amd', model: 'AMD Instinct MI300X', memoryBytes: 196_592 * MIB }, 'MI300X-OAM-192GB'],
  ['MI300X by id', { vendor: 'amd', pciDeviceId: 0x74a11002, memoryBytes: 196_592 * MIB }, 'MI300X-OAM-192GB'],
  [
    'a MIG slice',
    { model: 'NVIDIA H100 80GB HBM3 MIG 1g.10gb', memoryBytes: 9984 * MIB, migProfile: '1g.10gb' },
    'H100-SXM5-80GB-MIG-1g.10gb',
  ],
  // Near misses.
  ['an 80 GB name with 40 GB', { model: 'NVIDIA A100-SXM4-80GB', memoryBytes: 40 * GIB }, null],
  ['an 80 GB id with 40 GB', { pciDeviceId: 0x233010de, memoryBytes: 40 * GIB }, null],
  ['an id against the name', { model: 'NVIDIA H100 PCIe', pciDeviceId: 0x233010de, memoryBytes: 80 * GIB }, null],
  ['94 GB under the 80 GB name', { model: 'NVIDIA H100 80GB HBM3', memoryBytes: 94 * GIB }, null],
  ['the chip without the board', { model: 'NVIDIA H100', memoryBytes: 80 * GIB }, null],
  ['another case', { model: 'nvidia h100 pcie', memoryBytes: 80 * GIB }, null],
  ['a longer name', { model: 'NVIDIA H100 80GB HBM3e', memoryBytes: 80 * GIB }, null],
  ['RTX 3090 Ti', { model: 'NVIDIA GeForce RTX 3090 Ti', memoryBytes: 24 * GIB }, null],
  ['RTX 4090 D', { model: 'NVIDIA GeForce RTX 4090 D', memoryBytes: 24 * GIB }, null],
  ['MI300A', { vendor: 'amd', model: 'AMD Instinct MI300A', memoryBytes: 128 * GIB }, null],
  ['an MI300X in parts', { vendor: 'amd', model: 'AMD Instinct MI300X', memoryBytes: 24 * GIB }, null],
  ['a virtual MI300X', { vendor: 'amd', pciDeviceId: 0x74b51002, memoryBytes: 192 * GIB }, null],
  ['another vendor', { vendor: 'amd', model: 'NVIDIA H100 PCIe', memoryBytes: 80 * GIB }, null],
  ['another vendor than the id', { vendor: 'amd', pciDeviceId: 0x233010de, memoryBytes: 80 * GIB }, null],
  ['no memory known', { model: 'NVIDIA H100 PCIe' }, null],
  ['nothing known', {}, null],
];

describe('the product', () => {
  test.each(cases)('of %s', (_name, gpu, product, interconnect) => {
    const found = classify({ vendor: 'nvidia', simulated: false, ...gpu });
    expect(found.product).toBe(product);
    if (interconnect !== undefined) expect(found.interconnect).toBe(interconnect);
    if (product === null) expect(found).toEqual({ product: null, formFactor: null, interconnect: null });
  });

  test.each([...PROFILES])('of the simulated %s is one of its own', (_name, { device }) => {
    const found = classify({
      vendor: device.vendor,
      model: device.model,
      pciDeviceId: device.pci?.deviceId,
      pciSubsystemId: device.pci?.subsystemId,
      memoryBytes: device.memory.totalBytes,
      simulated: true,
    });
    expect(found.product).toMatch(/^SIM-/);
  });
});

const mapping: ProductMapping = {
  vendor: 'nvidia',
  model: 'NVIDIA Odd Card',
  memoryGb: 48,
  product: 'ODD-PCIE-48GB',
  formFactor: 'PCIE',
  interconnect: 'PCIe4',
};

describe('a mapping', () => {
  const odd = { vendor: 'nvidia', model: 'NVIDIA Odd Card', memoryBytes: 46_068 * MIB, simulated: false };

  test('names what the table does not know', () => {
    expect(classify(odd, [mapping])).toEqual({ product: 'ODD-PCIE-48GB', formFactor: 'PCIE', interconnect: 'PCIe4' });
    expect(classify({ ...odd, simulated: true }, [mapping]).product).toBe('SIM-ODD-PCIE-48GB');
  });

  test('does not stretch to other memory', () => {
    expect(classify({ ...odd, memoryBytes: 24 * GIB }, [mapping]).product).toBeNull();
  });

  test('does not win over the table', () => {
    const wrong = { ...mapping, model: 'NVIDIA L40S' };
    expect(classify({ ...odd, model: 'NVIDIA L40S' }, [wrong]).product).toBe('L40S-PCIE-48GB');
  });
});

describe('the table', () => {
  const all = <T>(pick: (product: (typeof products)[number]) => readonly T[]) => products.flatMap(pick);

  test.each([
    ['ids', all(({ id, aliases }) => [id, ...aliases])],
    ['names', all(({ names }) => names)],
    ['PCI ids', all(({ pci }) => pci.map(({ device, subsystem }) => `${device}/${subsystem}`))],
  ])('says everything once: %s', (_what, values) => {
    expect(new Set(values).size).toBe(values.length);
  });
});
