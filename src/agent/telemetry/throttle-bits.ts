// The reasons of low clocks as the bits that NVML and DCGM have for them.
import { type ThrottleReason, throttleReasons } from '../devices/record.ts';

/** Reasons that have no bit are left out; no reasons are no bits. Undefined where the driver does not say. */
export function throttleMask(reasons: readonly string[] | undefined): number | undefined {
  return reasons?.reduce((mask, reason) => {
    const bit = throttleReasons.indexOf(reason as ThrottleReason);
    return bit < 0 ? mask : mask | (1 << bit);
  }, 0);
}
