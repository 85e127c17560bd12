// Intel's cards by PCI device id: their names, which no driver gives, and architectures. From the PCI id repository.

/** What is known of a model. */
export interface IntelModel {
  readonly model: string;
  readonly architecture: string;
}

const hpg = (model: string): IntelModel => ({ model, architecture: 'xe-hpg' });
const hpc = (model: string): IntelModel => ({ model, architecture: 'xe-hpc' });
const xe2 = (model: string): IntelModel => ({ model, architecture: 'xe2' });

export const intelModels: ReadonlyMap<number, IntelModel> = new Map([
  [0x0bd5, hpc('Intel Data Center GPU Max 1550')],
  [0x0bda, hpc('Intel Data Center GPU Max 1100')],
  [0x56a0, hpg('Intel Arc A770 Graphics')],
  [0x56a1, hpg('Intel Arc A750 Graphics')],
  [0x56a5, hpg('Intel Arc A380 Graphics')],
  [0x56c0, hpg('Intel Data Center GPU Flex 170')],
  [0x56c1, hpg('Intel Data Center GPU Flex 140')],
  [0xe20b, xe2('Intel Arc B580 Graphics')],
  [0xe20c, xe2('Intel Arc B570 Graphics')],
  [0xe211, xe2('Intel Arc Pro B60 Graphics')],
  [0xe212, xe2('Intel Arc Pro B50 Graphics')],
]);
