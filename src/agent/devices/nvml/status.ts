// NVML's return codes: their names, and what each means to a source of devices.
import { DeviceError, type DeviceFault } from '../source.ts';

export const SUCCESS = 0;
const NOT_SUPPORTED = 3;
export const NOT_FOUND = 6;
export const INSUFFICIENT_SIZE = 7;
export const TIMEOUT = 10;
export const LIBRARY_NOT_FOUND = 12;
export const FUNCTION_NOT_FOUND = 13;

const names: Record<number, string> = {
  1: 'UNINITIALIZED',
  2: 'INVALID_ARGUMENT',
  3: 'NOT_SUPPORTED',
  4: 'NO_PERMISSION',
  5: 'ALREADY_INITIALIZED',
  6: 'NOT_FOUND',
  7: 'INSUFFICIENT_SIZE',
  8: 'INSUFFICIENT_POWER',
  9: 'DRIVER_NOT_LOADED',
  10: 'TIMEOUT',
  11: 'IRQ_ISSUE',
  12: 'LIBRARY_NOT_FOUND',
  13: 'FUNCTION_NOT_FOUND',
  14: 'CORRUPTED_INFOROM',
  15: 'GPU_IS_LOST',
  16: 'RESET_REQUIRED',
  17: 'OPERATING_SYSTEM',
  18: 'LIB_RM_VERSION_MISMATCH',
  19: 'IN_USE',
  20: 'MEMORY',
  21: 'NO_DATA',
  23: 'INSUFFICIENT_RESOURCES',
  25: 'ARGUMENT_VERSION_MISMATCH',
  26: 'DEPRECATED',
  27: 'NOT_READY',
  28: 'GPU_NOT_FOUND',
  29: 'INVALID_STATE',
  999: 'UNKNOWN',
};

const faults: Record<number, DeviceFault> = {
  1: 'driver-gone',
  9: 'driver-gone',
  12: 'driver-gone',
  15: 'lost',
  16: 'reset-required',
  // The driver was upgraded under the loaded kernel module: nothing can be read until the module is loaded again.
  18: 'driver-gone',
};

/**
 * Whether a call was answered: true on success, false where the device, the driver or the library does not support it.
 * Throws {@link DeviceError} for every other code.
 */
export function answered(functionName: string, code: number): boolean {
  if (code === SUCCESS) return true;
  if (code === NOT_SUPPORTED || code === FUNCTION_NOT_FOUND) return false;
  throw failure(functionName, code);
}

/** The error for a code that is not a success; its message names the function and the code. */
export function failure(functionName: string, code: number): DeviceError {
  return new DeviceError(
    faults[code] ?? 'failed',
    `${functionName} returned ${code} (${names[code] ?? 'not documented'})`,
  );
}
