// The reasons of low clocks as the bits that NVML and DCGM have for them.

/** From the lowest bit on. */
const throttleBits = [
  'idle',
  'applications-clocks',
  'power-cap',
  'hardware-slowdown',
  'sync-boost',
  'software-thermal',
  'hardware-thermal',
  'power-brake',
  'display-clocks',
];

/** Reasons that have no bit are left out; no reasons are no bits. Undefined where the driver does not say. */
export function throttleMask(reasons: readonly string[] | undefined): number | undefined {
  return reasons?.reduce((mask, reason) => {
    const bit = throttleBits.indexOf(reason);
    return bit < 0 ? mask : mask | (1 << bit);
  }, 0);
}
