// The source of Intel's cards: what i915 or xe say in sysfs, in the terms of the device record. How much memory a card
// has, i915 says nowhere: Level Zero is asked, where it can be loaded.
//
// What stays absent, because no file says it: utilisation, memory in use, processes, ECC.
import { present, presentOrNone } from '../absence.ts';
import type { DeviceReadings, DeviceRecord } from '../record.ts';
import type { DeviceSource } from '../source.ts';
import type { Card } from '../sysfs/card.ts';
import { type CardReader, SysfsSource, type SysfsSourceOptions } from '../sysfs/source.ts';
import { EnergyMeter } from './energy-meter.ts';
import { actualMhz, highestMhz, throttleReasons } from './frequency.ts';
import { intelCards } from './kind.ts';
import { memorySizes } from './level-zero/memory-sizes.ts';
import { memoryBytes } from './memory.ts';
import { intelModels } from './models.ts';

export interface IntelSourceOptions extends SysfsSourceOptions {
  /** Name or path of Level Zero's loader. */
  levelZeroLibrary: string;
}

/** Makes the source; nothing is read before {@link DeviceSource.open}. */
export function createIntelSource(options: IntelSourceOptions): DeviceSource {
  return new SysfsSource(new IntelReader(options.levelZeroLibrary), options);
}

class IntelReader implements CardReader {
  readonly name = 'intel';
  readonly condition = 'IntelReady';
  readonly kind = intelCards;
  readonly #library: string;
  readonly #meter = new EnergyMeter();
  /** In bytes by PCI address, of the cards whose driver does not say it. */
  #sizes: ReadonlyMap<string, number> = new Map();

  constructor(library: string) {
    this.#library = library;
  }

  /** Level Zero starts every card that it finds, so it is asked here, where no single card is meant. */
  open(cards: readonly Card[]): void {
    this.#meter.keep(cards.map(({ pci }) => pci.busId));
    const isUnknown = cards.some((card) => memoryBytes(card) === undefined);
    this.#sizes = isUnknown ? memorySizes(this.#library) : new Map();
  }

  fingerprint(card: Card) {
    return [card.milliwatts('power1_max'), card.milliwatts('power2_max')];
  }

  read(card: Card): Partial<DeviceRecord> {
    const totalBytes = memoryBytes(card) ?? this.#sizes.get(card.pci.busId);
    const known = intelModels.get(card.pci.deviceId);
    return present({
      model: known?.model,
      architecture: known?.architecture,
      memory: totalBytes === undefined ? undefined : { totalBytes },
      clocks: presentOrNone({ maxGraphicsMhz: highestMhz(card) }),
      powerLimits: presentOrNone({
        enforcedMilliwatts: card.milliwatts('power1_max') ?? card.milliwatts('power2_max'),
        defaultMilliwatts: card.milliwatts('power1_rated_max') ?? card.milliwatts('power2_rated_max'),
      }),
    });
  }

  sample(card: Card): Omit<DeviceReadings, 'timeMs'> {
    // Of the whole card; some have only the counter of the chip.
    const energy = card.firstInteger(card.sensor('energy1_input'), card.sensor('energy2_input'));
    const mhz = actualMhz(card);
    return present({
      temperatureCelsius: card.celsius('pkg', card.pci.driver === 'xe' ? 2 : 1),
      memoryTemperatureCelsius: card.pci.driver === 'xe' ? card.celsius('vram', 3) : undefined,
      powerMilliwatts: energy === undefined ? undefined : this.#meter.look(card.pci.busId, energy, performance.now()),
      energyMillijoules: energy === undefined ? undefined : Math.floor(energy / 1_000),
      graphicsMhz: mhz,
      smMhz: mhz,
      throttleReasons: throttleReasons(card),
    });
  }
}
