// Says which product a GPU is. Strict: what does not fit the table entirely is no product, and is not sold.
import { type PciMatch, type Product, products } from './products.ts';

/** What a node reports about a GPU that decides its product. */
export interface ReportedGpu {
  readonly vendor?: string | undefined;
  readonly model?: string | undefined;
  /** Packed as the driver packs it: 0x233010DE. */
  readonly pciDeviceId?: number | undefined;
  readonly pciSubsystemId?: number | undefined;
  /** Of the instance, for a MIG instance. */
  readonly memoryBytes?: number | undefined;
  readonly simulated: boolean;
  /** For instance `1g.10gb`, for a MIG instance. */
  readonly migProfile?: string | undefined;
  /** How many NVLink connections the driver lists. */
  readonly nvlinks?: number | undefined;
}

/** What an admin decided about a model that the table does not know. */
export interface ProductMapping {
  readonly vendor: string;
  readonly model: string;
  /** GiB. */
  readonly memoryGb: number;
  readonly product: string;
  readonly formFactor: string;
  readonly interconnect: string;
}

/** Where a GPU belongs; null where nothing fits. */
export interface Classification {
  readonly product: string | null;
  readonly formFactor: string | null;
  readonly interconnect: string | null;
}

/** How far memory may be from the table's figure: drivers report less than the vendor's round number. */
const memoryTolerance = 0.08;

const unclassified: Classification = { product: null, formFactor: null, interconnect: null };

/**
 * Finds the product: by PCI device and subsystem id, then by exact name; the memory must fit within 8 %, and a name that
 * belongs to another product contradicts. What the table does not know is looked up in the admin's mappings. Products of
 * simulated GPUs begin with `SIM-`; those of MIG instances end with `-MIG-<profile>`.
 */
export function classify(gpu: ReportedGpu, mappings: readonly ProductMapping[] = []): Classification {
  const found = fromTable(gpu) ?? fromMappings(gpu, mappings);
  if (!found?.product) return unclassified;
  const suffix = gpu.migProfile === undefined ? '' : `-MIG-${gpu.migProfile}`;
  return { ...found, product: `${gpu.simulated ? 'SIM-' : ''}${found.product}${suffix}` };
}

/** The MIG profile that a driver puts into the name of an instance: `NVIDIA H100 80GB HBM3 MIG 1g.10gb`. */
export function migProfileOf(model: string | undefined): string | undefined {
  return model?.match(/ MIG (\d+g\.\d+gb(?:\+\w+)*)$/)?.[1];
}

/** Whether bytes are what a card of so many GiB may report. */
export function memoryFits(bytes: number, memoryGb: number): boolean {
  const expected = memoryGb * 2 ** 30;
  return Math.abs(bytes - expected) <= expected * memoryTolerance;
}

function fromTable(gpu: ReportedGpu): Classification | undefined {
  const vendor = gpu.vendor?.toLowerCase();
  const name = gpu.model?.replace(/ MIG \S+$/, '');
  const byName = products.filter((product) => product.vendor === vendor && name && product.names.includes(name));
  const byId = productsById(gpu);
  const candidates = byId.length > 0 ? byId : byName;
  const fitting = candidates.filter((product) => holds(product, gpu));
  const [product] = fitting;
  if (!product || fitting.length > 1) return undefined;
  // The name says one thing and the id another: nobody knows what this is.
  if (byName.length > 0 && !byName.includes(product)) return undefined;
  if (vendor !== undefined && vendor !== product.vendor) return undefined;
  const bridged = product.bridge !== undefined && (gpu.nvlinks ?? 0) > 0;
  return {
    product: product.id,
    formFactor: product.formFactor,
    interconnect: bridged ? (product.bridge ?? null) : product.interconnect,
  };
}

/** Whether the memory is the product's, or a part of it for a MIG instance. */
function holds(product: Product, gpu: ReportedGpu): boolean {
  if (gpu.memoryBytes === undefined) return false;
  if (gpu.migProfile === undefined) return memoryFits(gpu.memoryBytes, product.memoryGb);
  return gpu.memoryBytes <= product.memoryGb * 2 ** 30;
}

/** By device and subsystem where a row names both, else by device alone. */
function productsById({ pciDeviceId, pciSubsystemId }: ReportedGpu): readonly Product[] {
  if (pciDeviceId === undefined) return [];
  const having = (fits: (pci: PciMatch) => boolean) => products.filter(({ pci }) => pci.some(fits));
  const exact = having((pci) => pci.device === pciDeviceId && pci.subsystem === (pciSubsystemId ?? -1));
  return exact.length > 0 ? exact : having((pci) => pci.device === pciDeviceId && pci.subsystem === undefined);
}

function fromMappings(gpu: ReportedGpu, mappings: readonly ProductMapping[]): Classification | undefined {
  const { vendor, model, memoryBytes, migProfile } = gpu;
  if (vendor === undefined || model === undefined || memoryBytes === undefined || migProfile !== undefined) {
    return undefined;
  }
  const mapping = mappings.find(
    (mapping) =>
      mapping.vendor.toLowerCase() === vendor.toLowerCase() &&
      mapping.model === model &&
      memoryFits(memoryBytes, mapping.memoryGb),
  );
  return mapping && { product: mapping.product, formFactor: mapping.formFactor, interconnect: mapping.interconnect };
}
