// The table of products: every GPU that the broker knows how to name, with the places that the facts come from.
//
// Sources, per row: [P] the published NVML profile of such a machine, whose names and ids the simulated source restates;
// [I] the PCI id repository (pciutils/pciids, August 2026); [N] the name that the vendor's driver reports. Ids that
// neither P nor I gives are left out: such a card is found by its exact name.

/** A PCI id as drivers pack it: the device in the upper 16 bits, the vendor in the lower. */
export interface PciMatch {
  readonly device: number;
  /** Set where the device id alone is not enough: packed likewise, and wins over rows without it. */
  readonly subsystem?: number;
}

/** One product. */
export interface Product {
  /** Model, form factor and memory: `H100-SXM5-80GB`. */
  readonly id: string;
  readonly vendor: 'nvidia' | 'amd' | 'intel';
  /** The short name of the model: `H100`. */
  readonly model: string;
  readonly formFactor: string;
  /** What GPUs of this product talk to each other by. */
  readonly interconnect: string;
  /** What they talk by when an NVLink bridge joins them. */
  readonly bridge?: string;
  /** GiB; cards report up to 8 % less, because drivers keep some for themselves. */
  readonly memoryGb: number;
  readonly pci: readonly PciMatch[];
  /** Exact names that drivers report. */
  readonly names: readonly string[];
  /** Other names that orders may use. */
  readonly aliases: readonly string[];
}

interface Row {
  readonly names: readonly string[];
  readonly pci?: readonly (number | readonly [device: number, subsystem: number])[];
  readonly bridge?: string;
  readonly alias?: string;
}

/** Makes a row of the table; the id is `model-form-memoryGB`. */
function product(vendor: Product['vendor'], key: [string, string, number, string], row: Row): Product {
  const [model, formFactor, memoryGb, interconnect] = key;
  const vendorId = { nvidia: 0x10de, amd: 0x1002, intel: 0x8086 }[vendor];
  const pack = (id: number) => id * 0x10000 + vendorId;
  return {
    id: `${model.replaceAll(' ', '-')}-${formFactor}-${memoryGb}GB`,
    vendor,
    model,
    formFactor,
    interconnect,
    ...(row.bridge !== undefined && { bridge: row.bridge }),
    memoryGb,
    pci: (row.pci ?? []).map((id) =>
      typeof id === 'number' ? { device: pack(id) } : { device: pack(id[0]), subsystem: pack(id[1]) },
    ),
    names: row.names,
    aliases: row.alias === undefined ? [] : [row.alias],
  };
}

const nvidia = (key: Parameters<typeof product>[1], row: Row) => product('nvidia', key, row);
const amd = (key: Parameters<typeof product>[1], row: Row) => product('amd', key, row);

/** Every known product. */
export const products: readonly Product[] = [
  // [I] 2901; [P] 2340 with subsystem 1818, name, 192 GiB where the card's own driver says 179.
  nvidia(['B200', 'SXM6', 180, 'NVLink5'], { pci: [0x2901, [0x2340, 0x1818]], names: ['NVIDIA B200'] }),
  // [I] 2335; the subsystem 18be and the name were read from a real card.
  nvidia(['H200', 'SXM5', 141, 'NVLink4'], { pci: [0x2335], names: ['NVIDIA H200'] }),
  // [I] 233b, [N].
  nvidia(['H200', 'NVL', 141, 'PCIe5'], { pci: [0x233b], names: ['NVIDIA H200 NVL'], bridge: 'NVLink4' }),
  // [I] [P] 2330 (subsystem 1658), name [P].
  nvidia(['H100', 'SXM5', 80, 'NVLink4'], {
    pci: [0x2330],
    names: ['NVIDIA H100 80GB HBM3', 'H100 80GB HBM3'],
    alias: 'H100',
  }),
  // [I] 2339. No exact name: its driver's is not on record.
  nvidia(['H100', 'SXM5', 94, 'NVLink4'], { pci: [0x2339], names: [] }),
  // [I] 2331, [N].
  nvidia(['H100', 'PCIE', 80, 'PCIe5'], { pci: [0x2331], names: ['NVIDIA H100 PCIe'], bridge: 'NVLink4' }),
  // [I] 2321 (H100L 94GB), [N].
  nvidia(['H100', 'NVL', 94, 'PCIe5'], { pci: [0x2321], names: ['NVIDIA H100 NVL'], bridge: 'NVLink4' }),
  // [I] [P] 20b0 (subsystem 1347), name [P].
  nvidia(['A100', 'SXM4', 40, 'NVLink3'], { pci: [0x20b0], names: ['NVIDIA A100-SXM4-40GB', 'A100-SXM4-40GB'] }),
  // [I] 20b2, [N].
  nvidia(['A100', 'SXM4', 80, 'NVLink3'], {
    pci: [0x20b2],
    names: ['NVIDIA A100-SXM4-80GB', 'A100-SXM4-80GB'],
    alias: 'A100-80GB',
  }),
  // [I] 20f1 and 20b1, [N].
  nvidia(['A100', 'PCIE', 40, 'PCIe4'], {
    pci: [0x20f1, 0x20b1],
    names: ['NVIDIA A100-PCIE-40GB', 'A100-PCIE-40GB'],
    bridge: 'NVLink3',
  }),
  // [I] 20b5, [N].
  nvidia(['A100', 'PCIE', 80, 'PCIe4'], { pci: [0x20b5], names: ['NVIDIA A100 80GB PCIe'], bridge: 'NVLink3' }),
  // [I] 20b7, [N].
  nvidia(['A30', 'PCIE', 24, 'PCIe4'], { pci: [0x20b7], names: ['NVIDIA A30'], bridge: 'NVLink3' }),
  // [I] 2235, [N].
  nvidia(['A40', 'PCIE', 48, 'PCIe4'], { pci: [0x2235], names: ['NVIDIA A40'], bridge: 'NVLink3' }),
  // [I] 2236, [N].
  nvidia(['A10', 'PCIE', 24, 'PCIe4'], { pci: [0x2236], names: ['NVIDIA A10'] }),
  // [I] 2237, [N]. Made for one cloud; another card than the A10.
  nvidia(['A10G', 'PCIE', 24, 'PCIe4'], { pci: [0x2237], names: ['NVIDIA A10G'] }),
  // [I] 1eb8, [P] 1eb8 (subsystem 12a2) and 'NVIDIA T4', [N] 'Tesla T4'.
  nvidia(['T4', 'PCIE', 16, 'PCIe3'], { pci: [0x1eb8], names: ['NVIDIA T4', 'Tesla T4'] }),
  // [I] 27b8, [N].
  nvidia(['L4', 'PCIE', 24, 'PCIe4'], { pci: [0x27b8], names: ['NVIDIA L4'] }),
  // [I] 26b5, [N]. See L40S for the same id with another subsystem.
  nvidia(['L40', 'PCIE', 48, 'PCIe4'], { pci: [0x26b5], names: ['NVIDIA L40'] }),
  // [I] 26b9; [P] 26b5 with subsystem 1697, name.
  nvidia(['L40S', 'PCIE', 48, 'PCIe4'], { pci: [0x26b9, [0x26b5, 0x1697]], names: ['NVIDIA L40S'] }),
  // [I] 1db1, 1db4, 1db5, 1db6, [N].
  nvidia(['V100', 'SXM2', 16, 'NVLink2'], { pci: [0x1db1], names: ['Tesla V100-SXM2-16GB'] }),
  nvidia(['V100', 'SXM2', 32, 'NVLink2'], { pci: [0x1db5], names: ['Tesla V100-SXM2-32GB'] }),
  nvidia(['V100', 'PCIE', 16, 'PCIe3'], { pci: [0x1db4], names: ['Tesla V100-PCIE-16GB'] }),
  nvidia(['V100', 'PCIE', 32, 'PCIe3'], { pci: [0x1db6], names: ['Tesla V100-PCIE-32GB'] }),
  // [I] 2230, 26b1, [N].
  nvidia(['RTX A6000', 'PCIE', 48, 'PCIe4'], { pci: [0x2230], names: ['NVIDIA RTX A6000'], bridge: 'NVLink3' }),
  nvidia(['RTX 6000 ADA', 'PCIE', 48, 'PCIe4'], { pci: [0x26b1], names: ['NVIDIA RTX 6000 Ada Generation'] }),
  // [I] 2204, 2684, 2b85, [N].
  nvidia(['RTX 3090', 'PCIE', 24, 'PCIe4'], { pci: [0x2204], names: ['NVIDIA GeForce RTX 3090'], bridge: 'NVLink3' }),
  nvidia(['RTX 4090', 'PCIE', 24, 'PCIe4'], { pci: [0x2684], names: ['NVIDIA GeForce RTX 4090'] }),
  nvidia(['RTX 5090', 'PCIE', 32, 'PCIe5'], { pci: [0x2b85], names: ['NVIDIA GeForce RTX 5090'] }),
  // [I] 74a1, 74a5, 740f, [N]. Partitions and virtual functions (74b5, 74b9) are other devices.
  amd(['MI300X', 'OAM', 192, 'XGMI3'], {
    pci: [0x74a1],
    names: ['AMD Instinct MI300X OAM', 'AMD Instinct MI300X'],
    alias: 'MI300X',
  }),
  amd(['MI325X', 'OAM', 256, 'XGMI3'], { pci: [0x74a5], names: ['AMD Instinct MI325X OAM', 'AMD Instinct MI325X'] }),
  amd(['MI210', 'PCIE', 64, 'PCIe4'], { pci: [0x740f], names: ['AMD Instinct MI210'] }),
];

/** The product with that id. */
export function productById(id: string): Product | undefined {
  return products.find((product) => product.id === id);
}

/** A name of a product, taken apart. */
export interface NamedProduct {
  /** With the alias replaced. */
  readonly id: string;
  /** The id without `SIM-` and `-MIG-…`: of the table, or of a mapping. */
  readonly base: string;
  readonly simulated: boolean;
  /** For instance `1g.10gb`; undefined for a whole GPU. */
  readonly migProfile: string | undefined;
}

/** What a name stands for: an id, or an alias of a whole GPU, also among the simulated. It may be of no product. */
export function productNamed(name: string): NamedProduct {
  const [, prefix = '', rest = ''] = /^(SIM-)?(.*)$/s.exec(name) ?? [];
  const known = products.find(({ aliases }) => aliases.includes(rest));
  const whole = known?.id ?? rest;
  const [, base = whole, migProfile] = /^(.+)-MIG-(\d+g\.\d+gb(?:\+\w+)*)$/.exec(whole) ?? [];
  return { id: prefix + whole, base, simulated: prefix !== '', migProfile };
}
