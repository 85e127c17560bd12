// Moving values of a simulated device: a pure function of the time and a seed, so that two looks at once agree.
import type { DeviceReadings } from '../record.ts';
import type { Profile } from './profiles.ts';

const WAVE_MS = 600_000;
const RIPPLE_MS = 47_000;
/** A device warms up and cools down behind its load. */
const THERMAL_LAG_MS = [0, 15_000, 30_000, 45_000];

/**
 * What a device shows at a time.
 *
 * @param timeMs milliseconds since the epoch
 * @param seed from 0 to 1; shifts the load of one device against that of the next
 */
export function readingsAt(profile: Profile, timeMs: number, seed: number): DeviceReadings {
  const { memory, clocks, powerLimits } = profile.device;
  const load = loadAt(timeMs, seed);
  const warmth = THERMAL_LAG_MS.reduce((sum, lag) => sum + loadAt(timeMs - lag, seed), 0) / THERMAL_LAG_MS.length;
  const graphicsMhz = clockAt(load, profile.idle.graphicsMhz, clocks.maxGraphicsMhz ?? 0);
  return {
    timeMs,
    utilizationPercent: Math.round(100 * load),
    memoryUtilizationPercent: Math.round(60 * load),
    memoryUsedBytes: (memory.reservedBytes ?? 0) + Math.round(0.8 * warmth * memory.totalBytes),
    temperatureCelsius: Math.round(between(profile.idle.temperatureCelsius, profile.busyCelsius, warmth)),
    powerMilliwatts: Math.round(
      between(profile.idle.powerMilliwatts, powerLimits.enforcedMilliwatts ?? 0, load ** 0.8),
    ),
    graphicsMhz,
    ...(clocks.maxSmMhz !== undefined && { smMhz: graphicsMhz }),
    ...(clocks.maxMemoryMhz !== undefined && { memoryMhz: clocks.maxMemoryMhz }),
    // A process that is not ours would make the device count as occupied, and nobody could lease it.
    processes: [],
  };
}

/** From 0 to 1: long stretches of work and of rest, with a ripple on top. */
function loadAt(timeMs: number, seed: number): number {
  const wave = 0.5 + 0.5 * Math.sin(2 * Math.PI * (timeMs / WAVE_MS + seed));
  const ripple = Math.sin(2 * Math.PI * (timeMs / RIPPLE_MS + 3 * seed));
  return Math.min(1, Math.max(0, 1.3 * wave - 0.2 + 0.05 * ripple));
}

/** Idle clock at rest, boost as soon as there is work, a little less when the power limit is near. */
function clockAt(load: number, idleMhz: number, maxMhz: number): number {
  return load < 0.02 ? idleMhz : Math.round(maxMhz * (1 - 0.1 * load ** 4));
}

function between(low: number, high: number, share: number): number {
  return low + (high - low) * share;
}
