// How much memory each of Intel's cards has, by PCI address, as Level Zero says it.
import { LevelZero, type MemoryModule } from './library.ts';

/** Empty where Level Zero cannot be loaded: it is part of Intel's compute stack, which a node need not have. */
export function memorySizes(library: string): ReadonlyMap<string, number> {
  let levelZero: LevelZero;
  try {
    levelZero = new LevelZero(library);
  } catch {
    return new Map();
  }
  const sizes = new Map<string, number>();
  for (const card of levelZero.cards()) {
    const busId = levelZero.busId(card);
    const bytes = bytesOf(levelZero.memory(card));
    if (busId !== undefined && bytes > 0) sizes.set(busId, bytes);
  }
  return sizes;
}

/** Of the card as a whole where it lists that, else of all its tiles. */
function bytesOf(modules: readonly MemoryModule[]): number {
  const whole = modules.filter(({ isOfTile }) => !isOfTile);
  return (whole.length > 0 ? whole : modules).reduce((sum, { bytes }) => sum + bytes, 0);
}
