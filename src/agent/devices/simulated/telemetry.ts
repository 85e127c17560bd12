// Moving values of a simulated device: a pure function of the time and a seed, so that two looks at once agree, and
// counters never go back.
import type { DeviceReadings, ThrottleReason } from '../record.ts';
import type { Profile } from './profiles.ts';

const WAVE_MS = 600_000;
const RIPPLE_MS = 47_000;
/** A device warms up and cools down behind its load. */
const THERMAL_LAG_MS = [0, 15_000, 30_000, 45_000];
/** When the drivers of all simulated machines were loaded: counters count from here. */
const LOADED_MS = Date.UTC(2023, 0, 1);
const DAY_MS = 86_400_000;
/** Of a PCIe lane of the first generation; each later one has twice as much. */
const LANE_BYTES_PER_SECOND = 250e6;
/** What a device under full load sends over all its NVLinks. */
const NVLINK_BYTES_PER_SECOND = 40e9;

/**
 * What a device shows at a time.
 *
 * @param timeMs milliseconds since the epoch
 * @param seed from 0 to 1; shifts the load of one device against that of the next
 */
export function readingsAt(profile: Profile, timeMs: number, seed: number): DeviceReadings {
  const { memory, clocks, powerLimits, vendor } = profile.device;
  const load = loadAt(timeMs, seed);
  const warmth = THERMAL_LAG_MS.reduce((sum, lag) => sum + loadAt(timeMs - lag, seed), 0) / THERMAL_LAG_MS.length;
  const graphicsMhz = clockAt(load, profile.idle.graphicsMhz, clocks.maxGraphicsMhz ?? 0);
  return {
    timeMs,
    // Of a GPU that is divided the driver does not say.
    ...(!profile.mig && {
      utilizationPercent: Math.round(100 * load),
      memoryUtilizationPercent: Math.round(60 * load),
    }),
    memoryUsedBytes: Math.round(0.8 * warmth * memory.totalBytes),
    temperatureCelsius: Math.round(between(profile.idle.temperatureCelsius, profile.busyCelsius, warmth)),
    memoryTemperatureCelsius: Math.round(between(profile.idle.temperatureCelsius, profile.busyCelsius + 10, warmth)),
    powerMilliwatts: Math.round(
      between(profile.idle.powerMilliwatts, powerLimits.enforcedMilliwatts ?? 0, load ** POWER_EXPONENT),
    ),
    graphicsMhz,
    ...(clocks.maxSmMhz !== undefined && { smMhz: graphicsMhz }),
    ...(clocks.maxMemoryMhz !== undefined && { memoryMhz: clocks.maxMemoryMhz }),
    ...pcieAt(profile, timeMs, seed, load),
    ...(vendor === 'nvidia' && nvidiaAt(profile, timeMs, seed, load)),
    // A process that is not ours would make the device count as occupied, and nobody could lease it.
    processes: [],
  };
}

function pcieAt({ device }: Profile, timeMs: number, seed: number, load: number): Partial<DeviceReadings> {
  const { linkGeneration = 1, linkWidth = 1 } = device.pci ?? {};
  const most = LANE_BYTES_PER_SECOND * linkWidth * 2 ** (linkGeneration - 1);
  return {
    pcieTxBytesPerSecond: Math.round(0.1 * load * most),
    pcieRxBytesPerSecond: Math.round(0.2 * load * most),
    // A replay now and then is nothing to worry about.
    pcieReplays: Math.floor(daysSinceLoaded(timeMs) / (10 + 20 * seed)),
  };
}

/** What only NVIDIA's driver says. */
function nvidiaAt(profile: Profile, timeMs: number, seed: number, load: number): Partial<DeviceReadings> {
  const { device, idle, nvlink, encodes } = profile;
  const corrected = Math.floor(daysSinceLoaded(timeMs) / (30 + 60 * seed));
  const sent = NVLINK_BYTES_PER_SECOND * work.secondsAt(timeMs, seed);
  const seconds = (timeMs - LOADED_MS) / 1000;
  const limit = device.powerLimits.enforcedMilliwatts ?? 0;
  return {
    ...(!profile.mig && {
      encoderPercent: encodes ? Math.round(20 * load) : 0,
      decoderPercent: Math.round(10 * load),
    }),
    energyMillijoules: Math.round(
      idle.powerMilliwatts * seconds + (limit - idle.powerMilliwatts) * drawn.secondsAt(timeMs, seed),
    ),
    throttleReasons: throttledAt(load),
    ...(nvlink && {
      nvlinkTxBytes: Math.round(sent),
      nvlinkRxBytes: Math.round(0.98 * sent),
      nvlinkErrors: { crc: 0, replay: Math.floor(corrected / 2), recovery: 0 },
    }),
    eccErrors: {
      volatileCorrected: corrected,
      volatileUncorrected: 0,
      aggregateCorrected: corrected + Math.round(10 * seed),
      aggregateUncorrected: 0,
    },
    remappedRows: { correctable: 0, uncorrectable: 0, pending: false, failed: false },
    recoveryAction: 'none',
  };
}

function throttledAt(load: number): ThrottleReason[] {
  if (load < AT_REST) return ['idle'];
  return load > 0.97 ? ['power-cap'] : [];
}

/** Less load than this is none. */
const AT_REST = 0.02;
/** Power grows ever more slowly with the load. */
const POWER_EXPONENT = 0.8;

/** From 0 to 1: long stretches of work and of rest, with a ripple on top. */
function loadAt(timeMs: number, seed: number): number {
  const ripple = Math.sin(2 * Math.PI * (timeMs / RIPPLE_MS + 3 * seed));
  return clamped(waveAt(timeMs / WAVE_MS + seed) + 0.05 * ripple);
}

/** The load without its ripple; not clamped. */
function waveAt(turns: number): number {
  return 1.3 * (0.5 + 0.5 * Math.sin(2 * Math.PI * turns)) - 0.2;
}

/**
 * How much has come together since the driver was loaded of what depends on the load: seconds under full load that
 * would have brought as much. The ripple is left out, for it takes away what it brings; so a turn of the wave is like
 * every other, and one turn needs to be summed up but once.
 */
class SumOfLoad {
  static readonly #steps = 600;
  /** The share of a turn that has come together up to each of its steps. */
  readonly #sums: readonly number[];

  constructor(of: (load: number) => number) {
    const sums = [0];
    for (let step = 0; step < SumOfLoad.#steps; step++) {
      const middle = (step + 0.5) / SumOfLoad.#steps;
      sums.push((sums[step] ?? 0) + of(clamped(waveAt(middle))) / SumOfLoad.#steps);
    }
    this.#sums = sums;
  }

  secondsAt(timeMs: number, seed: number): number {
    return ((this.#turns(timeMs / WAVE_MS + seed) - this.#turns(LOADED_MS / WAVE_MS + seed)) * WAVE_MS) / 1000;
  }

  #turns(turns: number): number {
    const whole = Math.floor(turns);
    const place = (turns - whole) * SumOfLoad.#steps;
    const step = Math.floor(place);
    const [from = 0, to = from] = [this.#sums[step], this.#sums[step + 1]];
    return whole * (this.#sums.at(-1) ?? 0) + between(from, to, place - step);
  }
}

const work = new SumOfLoad((load) => load);
const drawn = new SumOfLoad((load) => load ** POWER_EXPONENT);

function daysSinceLoaded(timeMs: number): number {
  return Math.max(0, timeMs - LOADED_MS) / DAY_MS;
}

/** Idle clock at rest, boost as soon as there is work, a little less when the power limit is near. */
function clockAt(load: number, idleMhz: number, maxMhz: number): number {
  return load < AT_REST ? idleMhz : Math.round(maxMhz * (1 - 0.1 * load ** 4));
}

function between(low: number, high: number, share: number): number {
  return low + (high - low) * share;
}

function clamped(load: number): number {
  return Math.min(1, Math.max(0, load));
}
