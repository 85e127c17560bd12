// Which of Intel's GPUs are cards that can be let.
import type { Card } from '../sysfs/card.ts';
import type { CardKind } from '../sysfs/cards.ts';
import { intelModels } from './models.ts';

/** Both drivers give sensors to cards alone, never to a GPU in a CPU. */
export const intelCards: CardKind = {
  vendor: 'intel',
  drivers: ['i915', 'xe'],
  isDiscrete: (card: Card) => intelModels.has(card.pci.deviceId) || card.exists(card.sensor('name')),
};
