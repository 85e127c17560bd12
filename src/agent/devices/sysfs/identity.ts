// The uuid of a card whose driver gives none as NVML does: from what the card itself says, else from where it sits.
import { createHash } from 'node:crypto';
import type { HostFiles } from '../host-files.ts';
import type { Card } from './card.ts';

/** What serial numbers say that say nothing. */
const placeholders = /^(0*|f*|n\/a|none|unknown|not specified)$/i;

/** The board's serial number; undefined where its maker has written none. */
export function serialOf(card: Card): string | undefined {
  const serial = card.line('serial_number');
  return serial !== undefined && !placeholders.test(serial) ? serial : undefined;
}

/**
 * The same after every start, and different for every card of a fleet:
 *
 *   GPU-<16 hex digits>   the id that is burnt into the chip, in AMD's own spelling
 *   SERIAL-<serial>       the board's serial number
 *   PCI-<16 hex digits>   made of node, machine, slot and PCI ids: another card of that model in that slot has the same
 *
 * @param node the node's name; containers on several machines may show one machine id, that of their image
 */
export function uuidOf(files: HostFiles, card: Card, node: string): string {
  const chip = card.line('unique_id')?.toLowerCase().replace(/^0x/, '');
  if (chip !== undefined && /^[0-9a-f]{1,16}$/.test(chip) && !placeholders.test(chip)) {
    return `GPU-${chip.padStart(16, '0')}`;
  }
  const serial = serialOf(card);
  if (serial !== undefined && /^[\w.-]+$/.test(serial)) return `SERIAL-${serial}`;
  const { busId, vendorId, deviceId, subsystemVendorId, subsystemDeviceId } = card.pci;
  const machine = files.line('etc/machine-id') ?? '';
  const place = [node, machine, busId, vendorId, deviceId, subsystemVendorId, subsystemDeviceId].join(' ');
  return `PCI-${createHash('sha256').update(place).digest('hex').slice(0, 16)}`;
}
