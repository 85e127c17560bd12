// How much memory a card of Intel's has, as far as its driver says it in sysfs: xe does, tile by tile; i915 does only in
// Intel's own builds. Elsewhere Level Zero is asked (level-zero/).
import type { Card } from '../sysfs/card.ts';

/** In bytes; undefined where the driver does not say. */
export function memoryBytes(card: Card): number | undefined {
  const drm = card.drm();
  const whole = drm === undefined ? undefined : card.integer(`${drm}/lmem_total_bytes`);
  const tiles = card
    .numbered('', 'tile')
    .map((tile) => card.firstInteger(`${tile}/physical_vram_size_bytes`, `${tile}/memory/physical_vram_size_bytes`));
  const regions =
    drm === undefined ? [] : card.numbered(`${drm}/gt`, 'gt').map((gt) => card.integer(`${gt}/addr_range`));
  return whole || sum(tiles) || sum(regions);
}

/** Undefined where one part is not known, for then nobody knows the whole. */
function sum(parts: readonly (number | undefined)[]): number | undefined {
  return parts.reduce((total = 0, part) => (part === undefined ? Number.NaN : total + part), 0) || undefined;
}
