// What amdgpu's RAS files say of a card's memory: errors since the driver was loaded, and pages that are no longer used.
import type { DeviceReadings } from '../record.ts';
import type { Card } from '../sysfs/card.ts';

/** Errors of the memory controller; undefined where nobody counts them. */
export function memoryErrors(card: Card): DeviceReadings['eccErrors'] {
  const counts = new Map<string, number>();
  for (const line of card.lines('ras/umc_err_count') ?? []) {
    const [, kind, count] = /^(ue|ce)\s*:\s*(\d{1,15})$/.exec(line) ?? [];
    if (kind !== undefined) counts.set(kind, Number(count));
  }
  const [corrected, uncorrected] = [counts.get('ce'), counts.get('ue')];
  if (corrected === undefined && uncorrected === undefined) return undefined;
  return {
    ...(corrected !== undefined && { volatileCorrected: corrected }),
    ...(uncorrected !== undefined && { volatileUncorrected: uncorrected }),
  };
}

/**
 * Pages that were taken out of use, one a line: `0x00000001 : 0x00001000 : R`. R is retired; P waits, and F could not be
 * retired while in use: both will be after a reset. The driver retires pages for errors that could not be corrected.
 */
export function badPages(card: Card): DeviceReadings['retiredPages'] {
  if (!card.exists('ras/gpu_vram_bad_pages')) return undefined;
  const lines = card.lines('ras/gpu_vram_bad_pages') ?? [];
  const states = lines.flatMap((line) => /^0x[0-9a-f]+\s*:\s*0x[0-9a-f]+\s*:\s*([RPF])$/.exec(line)?.[1] ?? []);
  if (lines.length > 0 && states.length === 0) return undefined;
  const retired = states.filter((state) => state === 'R').length;
  return { doubleBit: retired, pending: retired < states.length };
}
