// Finds the cards of a vendor that can be let: those that its driver has, that are whole, and that are no part of a CPU.
import type { HostFiles } from '../host-files.ts';
import { listGpuFunctions, type PciFunction } from '../pci.ts';
import { Card } from './card.ts';

/** Which cards a source is about. */
export interface CardKind {
  readonly vendor: PciFunction['vendor'];
  /** The kernel's drivers for them. */
  readonly drivers: readonly string[];
  /** Whether it is a card of its own; a GPU in a CPU has the machine's memory, and is never offered. */
  readonly isDiscrete: (card: Card) => boolean;
}

/** The cards of a kind, by address. Asks no card anything. */
export function listCards(files: HostFiles, { vendor, drivers, isDiscrete }: CardKind): Card[] {
  return listGpuFunctions(files)
    .filter((pci) => pci.vendor === vendor && !pci.isVirtual && drivers.includes(pci.driver ?? ''))
    .map((pci) => new Card(files, pci))
    .filter(isDiscrete);
}

/** Whether one of the drivers is loaded. */
export function isDriverLoaded(files: HostFiles, { drivers }: CardKind): boolean {
  return drivers.some((driver) => files.exists(`sys/bus/pci/drivers/${driver}`));
}
