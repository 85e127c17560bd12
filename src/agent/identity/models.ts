// What cards are, by PCI device id: the word that must stand in their name, and their memory. From the PCI id repository
// and the vendors' data sheets; a test compares it with the broker's table of products.

/** What a card with that id is. */
export interface KnownModel {
  /** One of these stands in its name as a word of its own. */
  readonly words: readonly string[];
  /** One of these is its memory, in GiB. */
  readonly memoryGb: readonly number[];
}

const NVIDIA = 0x10de;
const AMD = 0x1002;

const rows: readonly (readonly [vendor: number, device: number, words: string, ...memoryGb: number[]])[] = [
  [NVIDIA, 0x2901, 'B200', 180, 192],
  [NVIDIA, 0x2340, 'B200', 180, 192],
  [NVIDIA, 0x2335, 'H200', 141],
  [NVIDIA, 0x233b, 'H200', 141],
  [NVIDIA, 0x2330, 'H100', 80],
  [NVIDIA, 0x2339, 'H100', 94],
  [NVIDIA, 0x2331, 'H100', 80],
  [NVIDIA, 0x2321, 'H100', 94],
  [NVIDIA, 0x20b0, 'A100', 40],
  [NVIDIA, 0x20b1, 'A100', 40],
  [NVIDIA, 0x20b2, 'A100', 80],
  [NVIDIA, 0x20b5, 'A100', 80],
  [NVIDIA, 0x20f1, 'A100', 40],
  [NVIDIA, 0x20b7, 'A30', 24],
  [NVIDIA, 0x2235, 'A40', 48],
  [NVIDIA, 0x2236, 'A10', 24],
  [NVIDIA, 0x2237, 'A10G', 24],
  [NVIDIA, 0x1eb8, 'T4', 16],
  [NVIDIA, 0x27b8, 'L4', 24],
  [NVIDIA, 0x26b5, 'L40 L40S', 48],
  [NVIDIA, 0x26b9, 'L40S', 48],
  [NVIDIA, 0x1db1, 'V100', 16],
  [NVIDIA, 0x1db4, 'V100', 16],
  [NVIDIA, 0x1db5, 'V100', 32],
  [NVIDIA, 0x1db6, 'V100', 32],
  [NVIDIA, 0x2230, 'A6000', 48],
  [NVIDIA, 0x26b1, '6000', 48],
  [NVIDIA, 0x2204, '3090', 24],
  [NVIDIA, 0x2684, '4090', 24],
  [NVIDIA, 0x2b85, '5090', 32],
  [AMD, 0x740f, 'MI210', 64],
  [AMD, 0x74a1, 'MI300X', 192],
  [AMD, 0x74a5, 'MI325X', 256],
];

/** By device and vendor id as drivers pack them: `0x233010DE`. */
export const knownModels: ReadonlyMap<number, KnownModel> = new Map(
  rows.map(([vendor, device, words, ...memoryGb]) => [
    device * 0x10000 + vendor,
    { words: words.split(' '), memoryGb },
  ]),
);

/** Boards with several GPUs, which have one serial number. */
export const sharesBoard = /\b(A16|M10|M60|K80|MI250X?|Flex 140)\b/;
