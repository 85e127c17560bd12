// Names of AMD's cards by PCI device id, for those whose board does not carry its name. From the PCI id repository.

export const amdModels: ReadonlyMap<number, string> = new Map([
  [0x66a0, 'AMD Instinct MI60 / MI50'],
  [0x66a1, 'AMD Instinct MI60 / MI50'],
  [0x738c, 'AMD Instinct MI100'],
  [0x7408, 'AMD Instinct MI250X'],
  [0x740c, 'AMD Instinct MI250X / MI250'],
  [0x740f, 'AMD Instinct MI210'],
  [0x74a0, 'AMD Instinct MI300A'],
  [0x74a1, 'AMD Instinct MI300X'],
  [0x74a5, 'AMD Instinct MI325X'],
  [0x73a3, 'AMD Radeon PRO W6800'],
  [0x73bf, 'AMD Radeon RX 6800 / 6800 XT / 6900 XT'],
  [0x7448, 'AMD Radeon PRO W7900'],
  [0x744c, 'AMD Radeon RX 7900 XT / 7900 XTX'],
  [0x745e, 'AMD Radeon PRO W7800'],
]);
