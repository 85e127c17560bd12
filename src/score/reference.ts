// What the makers and others say of models of GPUs: the table that figures are held against, with its sources.
//
// Sources, by column. fp32, tensor-fp16, int8, memory-bandwidth, memory, units, boost: the makers' data sheets, dense
// (without sparsity), tensor-fp16 with sums in single precision. A test makes fp32 again from units and boost. Measured:
// the targets of NVIDIA's DCGM for its targeted stress and memory-bandwidth tests of that model, which it got by
// measuring. PCIe and compute capability: the makers' data sheets and CUDA's list of GPUs. What a source does not say is
// left out; nothing here is a guess. Not in the table: V100 (capability 7.0, for which there are no kernels), A10G and
// the H100 of 94 GB on SXM5 (no data sheet).
//
// int8 is what the matrix units do. The benchmark int8 multiplies on the ordinary units, so that it is far below.
import type { FigureName } from './figures.ts';

/** What of the table is in the units of figures. */
export type ReferenceFigure = 'fp32' | 'tensor-fp16' | 'int8' | 'memory-bandwidth';

/** One model. Figures are in the units of figures.ts. */
export interface Reference {
  /** The id of the product: `H100-SXM5-80GB`. */
  readonly product: string;
  /** What its data sheet promises at most. */
  readonly peaks: Readonly<Record<ReferenceFigure, number>>;
  /** What others measured on healthy cards, where they published it. */
  readonly measured: Readonly<Partial<Record<FigureName, number>>>;
  /** GiB, in the maker's round numbers. */
  readonly memoryGb: number;
  /** Streaming multiprocessors, or compute units. */
  readonly units: number;
  /** The highest clock that is promised, in MHz. */
  readonly boostMhz: number;
  /** The generation of the bus to the host; 16 lanes on every card of the table. */
  readonly pcieGeneration: 3 | 4 | 5;
  /** Absent for GPUs that are not NVIDIA's. */
  readonly computeCapability?: string;
}

type Row = [
  product: string,
  fp32: number,
  tensorFp16: number,
  int8: number,
  memoryBandwidth: number,
  memoryGb: number,
  units: number,
  boostMhz: number,
  pcieGeneration: Reference['pcieGeneration'],
  computeCapability?: string,
  measured?: Reference['measured'],
];

const rows: readonly Row[] = [
  ['T4-PCIE-16GB', 8.1, 65, 130, 320, 16, 40, 1590, 3, '7.5', { fp32: 5.5, 'memory-bandwidth': 244 }],
  ['A10-PCIE-24GB', 31.2, 125, 250, 600, 24, 72, 1695, 4, '8.6'],
  ['A30-PCIE-24GB', 10.3, 165, 330, 933, 24, 56, 1440, 4, '8.0'],
  ['A40-PCIE-48GB', 37.4, 149.7, 299.3, 696, 48, 84, 1740, 4, '8.6'],
  ['L4-PCIE-24GB', 30.3, 121, 242, 300, 24, 58, 2040, 4, '8.9', { fp32: 11.6, 'memory-bandwidth': 265 }],
  ['L40-PCIE-48GB', 90.5, 181, 362, 864, 48, 142, 2490, 4, '8.9'],
  ['L40S-PCIE-48GB', 91.6, 362, 733, 864, 48, 142, 2520, 4, '8.9', { 'memory-bandwidth': 700 }],
  ['A100-SXM4-40GB', 19.5, 312, 624, 1555, 40, 108, 1410, 4, '8.0'],
  ['A100-SXM4-80GB', 19.5, 312, 624, 2039, 80, 108, 1410, 4, '8.0', { 'memory-bandwidth': 1564 }],
  ['A100-PCIE-40GB', 19.5, 312, 624, 1555, 40, 108, 1410, 4, '8.0'],
  ['A100-PCIE-80GB', 19.5, 312, 624, 1935, 80, 108, 1410, 4, '8.0', { fp32: 17.95, 'memory-bandwidth': 1495 }],
  ['H100-PCIE-80GB', 51, 756, 1513, 2000, 80, 114, 1755, 5, '9.0', { fp32: 20.5, 'memory-bandwidth': 1639 }],
  ['H100-NVL-94GB', 60, 835, 1671, 3900, 94, 132, 1785, 5, '9.0'],
  ['H100-SXM5-80GB', 67, 989, 1979, 3350, 80, 132, 1980, 5, '9.0', { fp32: 39, 'memory-bandwidth': 2540 }],
  ['H200-SXM5-141GB', 67, 989, 1979, 4800, 141, 132, 1980, 5, '9.0', { fp32: 50, 'memory-bandwidth': 3110 }],
  ['H200-NVL-141GB', 60, 835, 1671, 4800, 141, 132, 1785, 5, '9.0'],
  ['B200-SXM6-180GB', 80, 2250, 4500, 8000, 180, 148, 1965, 5, '10.0', { fp32: 49.266, 'memory-bandwidth': 5430 }],
  ['MI300X-OAM-192GB', 163.4, 1307, 2600, 5300, 192, 304, 2100, 5],
  ['MI325X-OAM-256GB', 163.4, 1307, 2615, 6000, 256, 304, 2100, 5],
  ['MI210-PCIE-64GB', 22.6, 181, 181, 1638, 64, 104, 1700, 4],
  ['RTX-A6000-PCIE-48GB', 38.7, 154.8, 309.7, 768, 48, 84, 1800, 4, '8.6'],
  ['RTX-6000-ADA-PCIE-48GB', 91.1, 364, 728, 960, 48, 142, 2505, 4, '8.9'],
  ['RTX-3090-PCIE-24GB', 35.6, 71, 284, 936, 24, 82, 1695, 4, '8.6'],
  ['RTX-4090-PCIE-24GB', 82.6, 165, 661, 1008, 24, 128, 2520, 4, '8.9'],
  ['RTX-5090-PCIE-32GB', 104.8, 209.5, 838, 1792, 32, 170, 2407, 5, '12.0'],
];

/** Every model of the table. */
export const references: readonly Reference[] = rows.map(referenceOfRow);

const byProduct = new Map(references.map((reference) => [reference.product, reference]));

/**
 * What is known of a product. A simulated GPU (`SIM-…`) is held against the model that it plays. An instance of a GPU
 * (`…-MIG-…`) has no row: what a part of a card reaches is on no data sheet.
 */
export function referenceOf(product: string): Reference | undefined {
  return byProduct.get(product.replace(/^SIM-/, ''));
}

function referenceOfRow(row: Row): Reference {
  const [product, fp32, tensorFp16, int8, memoryBandwidth, ...rest] = row;
  const [memoryGb, units, boostMhz, pcieGeneration, computeCapability, measured = {}] = rest;
  const peaks = { fp32, 'tensor-fp16': tensorFp16, int8, 'memory-bandwidth': memoryBandwidth };
  const known = { product, peaks, measured, memoryGb, units, boostMhz, pcieGeneration };
  return computeCapability === undefined ? known : { ...known, computeCapability };
}
