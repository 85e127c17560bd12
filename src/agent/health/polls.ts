// What the regular looks at a device say of its health: what is the matter now, what has grown since the look before,
// and whether the device was reset in between.
import { present } from '../devices/absence.ts';
import type { DeviceReadings, DeviceRecord, RecoveryAction } from '../devices/record.ts';
import type { DeviceView } from '../devices/view.ts';
import { uncorrectableEcc } from './events.ts';
import type { Finding } from './finding.ts';
import { Growth } from './growth.ts';
import type { RecommendedAction } from './xids.ts';

/** What one look says. */
export interface Poll {
  /** Whether the device answered, and something of it was read anew; without that, only its state is news. */
  readonly isNews: boolean;
  /** Whether every value of it was read anew. */
  readonly complete: boolean;
  /** What is the matter now. */
  readonly standing: readonly Finding[];
  /** Errors that were counted since the look before. */
  readonly grown: readonly Finding[];
  /** Whether the counters began again, or the driver was away: a reset, or a reload of the driver. */
  readonly wasReset: boolean;
}

/** The part of a view that health depends on. */
export type Look = Pick<DeviceView, 'state' | 'message' | 'record' | 'readings' | 'health'>;

/** Whatever of these there is. */
type Readings = Partial<DeviceReadings>;

/**
 * Bounds over one minute. Replays of PCIe packets happen on any link now and then; eight a minute is where NVIDIA's
 * DCGM warns. The bound for NVLink's corrected errors is our own choice, of the size of DCGM's for CRC errors (a
 * hundred a second); a link that had to recover is never ordinary.
 */
const bounds = { pcieReplays: 8, nvlinkCorrected: 6_000, nvlinkRecoveries: 0 };
/** Looks in a row that must show low clocks: a single one may be a spike of the load. */
const THROTTLED_LOOKS = 2;

const recoveryActions: Readonly<Record<Exclude<RecoveryAction, 'none'>, Omit<Finding, 'type'>>> = {
  reset: recovery('RecoveryReset', 'ResetGPU', 'a reset'),
  reboot: recovery('RecoveryReboot', 'RebootNode', 'a reboot of the node'),
  'drain-p2p': recovery('RecoveryDrainP2p', 'RestartApp', 'an end of the peer-to-peer traffic'),
  'drain-and-reset': recovery('RecoveryDrainAndReset', 'ResetGPU', 'an end of all work, then a reset'),
  imex: recovery('RecoveryImex', 'ResetFabric', 'a recovery of its IMEX domain'),
};

function recovery(reason: string, action: RecommendedAction, what: string): Omit<Finding, 'type'> {
  return { reason, action, message: `the driver asks for ${what}` };
}

/** The looks at one device. */
export class Polls {
  readonly #pcieReplays = new Growth(bounds.pcieReplays);
  readonly #nvlinkCorrected = new Growth(bounds.nvlinkCorrected);
  readonly #nvlinkRecoveries = new Growth(bounds.nvlinkRecoveries);
  readonly #activeLinks = new Set<number>();
  #expectsAllLinks: boolean;
  #throttled = 0;
  #wasAway = false;
  #seen: Partial<Pick<Look, 'record' | 'readings' | 'health'>> = {};
  /** The latest value of each counter, also where the latest readings lack it. */
  #counts: Counts = {};

  /** @param expectsAllLinks whether a link that is down from the first look on is one too few */
  constructor({ expectsAllLinks }: { readonly expectsAllLinks: boolean }) {
    this.#expectsAllLinks = expectsAllLinks;
  }

  /**
   * Takes a look.
   *
   * @param now monotonic, in milliseconds
   */
  take(look: Look, now: number): Poll {
    const returned = look.state === 'ok' && this.#wasAway;
    if (look.state === 'ok') this.#wasAway = false;
    else if (look.state === 'driver-gone' || look.state === 'reset-required') this.#wasAway = true;
    const { record, health } = look;
    const standing = [...ofState(look)];
    const complete = look.state === 'ok' && look.readings?.timeMs !== this.#seen.readings?.timeMs;
    const isNews = look.state === 'ok' && (complete || health !== this.#seen.health || record !== this.#seen.record);
    if (!isNews) return { isNews, complete, standing, grown: [], wasReset: returned };
    // Not the look itself: whoever watches the device changes it in place.
    this.#seen = present({ record, readings: look.readings, health });
    const readings = { ...look.readings, ...health };
    standing.push(...ofReadings(readings), ...ofHeat(record, readings));
    standing.push(...this.#throttling(readings), ...this.#links(record), ...this.#errors(readings, now));
    const before = this.#counts;
    const counts = countsOf(readings);
    this.#counts = { ...before, ...counts };
    const grown = uncorrected(this.#counts) > uncorrected({ ...counts, ...before }) ? [uncorrectableEcc] : [];
    return { isNews, complete, standing, grown, wasReset: returned || beganAgain(before, counts) };
  }

  *#throttling({ throttleReasons = [] }: Readings): Iterable<Finding> {
    const thermal = throttleReasons.some((reason) => reason === 'hardware-thermal' || reason === 'software-thermal');
    const hardware = throttleReasons.some((reason) => reason === 'hardware-slowdown' || reason === 'power-brake');
    this.#throttled = thermal || hardware ? this.#throttled + 1 : 0;
    if (this.#throttled < THROTTLED_LOOKS) return;
    if (thermal) yield degraded('ThermalThrottling', 'its clocks are held down because it is hot');
    else yield degraded('HardwareThrottling', 'its clocks are held down by the hardware, for its power or its heat');
  }

  /** Many cards have links that lead nowhere: only one that was up can go down. MIG takes links down on purpose. */
  *#links({ nvlinks = [], mig }: DeviceRecord): Iterable<Finding> {
    if (mig?.enabled || nvlinks.length === 0) return;
    const down = nvlinks.filter(
      ({ link, active }) => !active && (this.#expectsAllLinks || this.#activeLinks.has(link)),
    );
    for (const { link, active } of nvlinks) if (active) this.#activeLinks.add(link);
    if (down.length === 0) {
      this.#expectsAllLinks = false;
      return;
    }
    const links = down.map(({ link }) => link).join(', ');
    yield degraded('NvlinkDown', `NVLink ${links} went down`, 'ResetGPU');
  }

  *#errors({ pcieReplays, nvlinkErrors = {} }: Readings, now: number): Iterable<Finding> {
    const { crc, replay, recovery } = nvlinkErrors;
    const corrected = crc === undefined && replay === undefined ? undefined : (crc ?? 0) + (replay ?? 0);
    // Each has to take its count, whatever the others say.
    const many = this.#nvlinkCorrected.exceeds(corrected, now);
    const recovered = this.#nvlinkRecoveries.exceeds(recovery, now);
    if (many || recovered) yield degraded('NvlinkErrors', 'its NVLinks have too many errors', 'ResetGPU');
    if (this.#pcieReplays.exceeds(pcieReplays, now)) {
      yield degraded('PcieReplays', `more than ${bounds.pcieReplays} PCIe replays a minute`, 'RunFieldDiagnostics');
    }
  }
}

function* ofState({ state, message }: Look): Iterable<Finding> {
  if (state === 'lost') yield { type: 'HardwareFailure', reason: 'GpuLost', message, action: 'RebootNode' };
  if (state === 'reset-required') {
    yield { type: 'ResetRequired', reason: 'AnswersNothing', message, action: 'ResetGPU' };
  }
}

function* ofReadings({ recoveryAction = 'none', remappedRows, retiredPages }: Readings): Iterable<Finding> {
  if (recoveryAction !== 'none') yield { type: 'ResetRequired', ...recoveryActions[recoveryAction] };
  if (remappedRows?.failed) {
    const message = 'a row of its memory could not be remapped';
    yield { type: 'HardwareFailure', reason: 'RowRemapFailed', message, action: 'RunFieldDiagnostics' };
  }
  if (remappedRows?.pending) yield pending('RowRemapPending', 'a remapped row of its memory waits for a reset');
  if (retiredPages?.pending) yield pending('PageRetirementPending', 'a retired page of its memory waits for a reset');
}

function pending(reason: string, message: string): Finding {
  return { type: 'ResetRequired', reason, message, action: 'ResetGPU' };
}

function* ofHeat({ temperatureLimits = {} }: DeviceRecord, readings: Readings): Iterable<Finding> {
  const { slowdownCelsius: limit, memoryMaxCelsius: memoryLimit } = temperatureLimits;
  const { temperatureCelsius, memoryTemperatureCelsius } = readings;
  const places = [
    ...(isAtLeast(temperatureCelsius, limit) ? [`at or over its slowdown limit of ${limit} °C`] : []),
    ...(isAtLeast(memoryTemperatureCelsius, memoryLimit) ? [`its memory at or over ${memoryLimit} °C`] : []),
  ];
  if (places.length > 0) yield degraded('Overheating', `it is hot: ${places.join(', ')}`);
}

function isAtLeast(value: number | undefined, limit: number | undefined): boolean {
  return value !== undefined && limit !== undefined && value >= limit;
}

function degraded(reason: string, message: string, action: RecommendedAction = ''): Finding {
  return { type: 'Degraded', reason, message, action };
}

/** What only grows, until a reset or a reload of the driver; `aggregate` what only grows. */
interface Counts {
  energy?: number;
  pcieReplays?: number;
  corrected?: number;
  uncorrected?: number;
  aggregate?: number;
}

function countsOf({ energyMillijoules, pcieReplays, eccErrors = {} }: Readings): Counts {
  const { volatileCorrected, volatileUncorrected, aggregateUncorrected } = eccErrors;
  return present({
    energy: energyMillijoules,
    pcieReplays,
    corrected: volatileCorrected,
    uncorrected: volatileUncorrected,
    aggregate: aggregateUncorrected,
  });
}

/** Of those since the driver was loaded, where it counts them, else of those since the board was made. */
function uncorrected(counts: Counts): number {
  return counts.uncorrected ?? counts.aggregate ?? Number.NaN;
}

/** Whether a count since the driver was loaded is smaller than it was. */
function beganAgain(before: Counts, now: Counts): boolean {
  const names = ['energy', 'pcieReplays', 'corrected', 'uncorrected'] as const;
  return names.some((name) => (now[name] ?? Infinity) < (before[name] ?? -Infinity));
}
