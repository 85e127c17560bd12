// Which of AMD's GPUs are cards that can be let.
import type { Card } from '../sysfs/card.ts';
import type { CardKind } from '../sysfs/cards.ts';

/** An accelerator whose memory is the machine's all the same: MI300A. */
const accelerators: ReadonlySet<number> = new Set([0x74a0]);
/** GPUs of game consoles, the only ones in a CPU for which the driver shows a power limit. */
const consoles: ReadonlySet<number> = new Set([0x163f, 0x1435]);

export const amdCards: CardKind = { vendor: 'amd', drivers: ['amdgpu'], isDiscrete };

/**
 * The driver does not say it in so many words. It has `board_info` for every card, and for no GPU in a CPU; before Linux
 * 6.7, it had for cards alone a power limit, or counted what goes over PCIe. A GPU of which nothing of that is seen is
 * taken for a part of a CPU: better a card that is not offered than a desktop that is.
 */
function isDiscrete(card: Card): boolean {
  const { deviceId } = card.pci;
  if (accelerators.has(deviceId) || card.exists('board_info') || card.exists('pcie_bw')) return true;
  return !consoles.has(deviceId) && card.exists(card.sensor('power1_cap'));
}
