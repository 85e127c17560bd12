// A source of the cards that sysfs describes: what AMD's and Intel's have in common. What a vendor's driver says in its
// own files is the vendor's: ../amd/, ../intel/.
import { present } from '../absence.ts';
import { HostFiles } from '../host-files.ts';
import { readLink, recordBusId } from '../pci.ts';
import type { DeviceReadings, DeviceRecord } from '../record.ts';
import { type DeviceCheck, DeviceError, type DeviceEvent, type DeviceSource } from '../source.ts';
import type { Card } from './card.ts';
import { type CardKind, isDriverLoaded, listCards } from './cards.ts';
import { serialOf, uuidOf } from './identity.ts';

/** Where the files are. */
export interface SysfsSourceOptions {
  /** Where the host's root file system is. */
  hostRoot: string;
  /** This node's name: part of the identity of cards that have none of their own. */
  nodeName: string;
}

/** What a vendor's cards say besides. */
export interface CardReader {
  readonly name: string;
  readonly condition: string;
  readonly kind: CardKind;
  /** What must be known before a card is read, and takes all of them to find out. */
  open?(cards: readonly Card[]): void;
  /** What changes when the record should be read again; must cost little. */
  fingerprint(card: Card): unknown;
  read(card: Card): Partial<DeviceRecord>;
  sample(card: Card): Omit<DeviceReadings, 'timeMs'>;
}

/** The source of one vendor's cards. */
export class SysfsSource implements DeviceSource {
  readonly name: string;
  readonly condition: string;
  readonly waits = false;
  readonly #reader: CardReader;
  readonly #node: string;
  readonly #files: HostFiles;
  #cards: Card[] = [];

  constructor(reader: CardReader, { hostRoot, nodeName }: SysfsSourceOptions) {
    this.name = reader.name;
    this.condition = reader.condition;
    this.#reader = reader;
    this.#node = nodeName;
    this.#files = new HostFiles(hostRoot);
  }

  open(): void {
    this.count();
    this.#reader.open?.(this.#cards);
  }

  count(): number {
    const { kind } = this.#reader;
    if (!isDriverLoaded(this.#files, kind)) {
      throw new DeviceError('driver-gone', `the kernel has no driver ${kind.drivers.join(' or ')} loaded`);
    }
    this.#cards = listCards(this.#files, kind);
    return this.#cards.length;
  }

  check(index: number): DeviceCheck {
    const card = this.#answering(index, 'check');
    const fingerprint = JSON.stringify(this.#reader.fingerprint(card));
    return { uuid: uuidOf(this.#files, card, this.#node), fingerprint };
  }

  read(index: number): DeviceRecord {
    const card = this.#answering(index, 'read');
    const { vendor, numaNode } = card.pci;
    return {
      index,
      uuid: uuidOf(this.#files, card, this.#node),
      vendor,
      ...present({
        serial: serialOf(card),
        driverVersion: this.#files.line(`sys/module/${card.pci.driver}/version`),
        numaNode,
        pci: this.#pci(card),
        ...this.#reader.read(card),
      }),
    };
  }

  sample(index: number): DeviceReadings {
    const card = this.#answering(index, 'sample');
    return { timeMs: Date.now(), ...present(this.#reader.sample(card)) };
  }

  /** These drivers report nothing on their own account that a file could tell. */
  events(): DeviceEvent[] {
    return [];
  }

  close(): void {
    this.#cards = [];
  }

  #answering(index: number, call: string): Card {
    if (this.#cards.length === 0) this.count();
    const card = this.#cards[index];
    if (!card) throw new DeviceError('failed', `${this.name} ${call}: there is no card ${index}`);
    if (card.isGone())
      throw new DeviceError('lost', `${this.name} ${call}: ${card.pci.busId} has fallen off the PCI bus`);
    return card;
  }

  #pci({ pci }: Card): DeviceRecord['pci'] {
    const { busId, deviceId, vendorId, subsystemDeviceId: subsystem, subsystemVendorId: maker } = pci;
    const subsystemId = subsystem === undefined || maker === undefined ? undefined : packed(subsystem, maker);
    return {
      busId: recordBusId(busId),
      deviceId: packed(deviceId, vendorId),
      ...present({ subsystemId }),
      ...readLink(this.#files, busId),
    };
  }
}

/** As the record has it: the device in the upper half, the vendor in the lower. */
function packed(device: number, vendor: number): number {
  return device * 0x10000 + vendor;
}
