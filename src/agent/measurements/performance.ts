// Whether a GPU has become slower than it was, as a condition of the GPU: what follows from the measurements that are
// kept, and from nothing else, so that a restart changes nothing.
//
// Like is compared with like: measurements of the same effort, by the same interface, of the same driver; and figures
// that were taken under the same restraint from outside, which is the power limit and every reason for lower clocks that
// says that somebody wanted it so. Heat is no such reason: a GPU that is slow because it is hot has become slower.
import type { ReportedCondition } from '../../cache-server/write.ts';
import { describeDrift, type FigureDrift, judgeDrift } from '../../score/drift.ts';
import { type FigureName, figureNames, type Samples, units } from '../../score/figures.ts';
import type { Figure, Measurement } from '../../wire/gpubroker/device/v1/measurement.ts';
import { throttleMask } from '../telemetry/throttle-bits.ts';

/** Reasons for lower clocks that are no fault of the GPU. */
const fromOutside = throttleMask(['applications-clocks', 'power-cap', 'sync-boost', 'power-brake']) ?? 0;

/** Speeds of the GPU itself. How many GPUs work at once differs from run to run. */
const speeds = figureNames.filter((name) => units[name] !== 'errors' && name !== 'parallel-efficiency');

/**
 * Judges a GPU by its measurements.
 *
 * @param measurements of one GPU, the oldest first
 * @returns undefined where too little is known
 */
export function performanceOf(measurements: readonly Measurement[]): ReportedCondition | undefined {
  const driver = measurements.at(-1)?.driverVersion;
  const alike = measurements.filter(({ driverVersion }) => driverVersion === driver);
  const figures = speeds.flatMap((name) => latestDrift(name, alike) ?? []);
  if (figures.length === 0) return undefined;
  const type = 'PerformanceDegraded';
  const isSlower = figures.some((figure) => figure.isSlower);
  if (!isSlower) return { type, status: 'False', reason: 'AsUsual', message: '' };
  return { type, status: 'True', reason: 'SlowerThanUsual', message: describeDrift({ isSlower, figures }) };
}

/** By the latest measurement that has the figure, and something to compare it with: not every run measures all. */
function latestDrift(name: FigureName, measurements: readonly Measurement[]): FigureDrift | undefined {
  for (let place = measurements.length - 1; place > 0; place--) {
    const newest = measurements[place];
    const figure = newest?.figures.find((one) => one.name === name);
    if (!newest || !figure) continue;
    const history = measurements.slice(0, place).flatMap((earlier): (readonly Samples[])[] => {
      const before = isAlike(earlier, newest) ? earlier.figures.find((one) => isComparable(one, figure)) : undefined;
      return before ? [[{ name, samples: before.samples }]] : [];
    });
    const [drift] = judgeDrift(history, [{ name, samples: figure.samples }]).figures;
    if (drift) return drift;
  }
  return undefined;
}

function isAlike(one: Measurement, other: Measurement): boolean {
  const sameWay = one.effort === other.effort && one.backend === other.backend;
  return sameWay && one.deviceModel === other.deviceModel && one.label === other.label;
}

function isComparable(one: Figure, other: Figure): boolean {
  const restraint = ({ conditions }: Figure) => (conditions?.throttleBits ?? 0) & fromOutside;
  const limit = ({ conditions }: Figure) => conditions?.powerLimitMilliwatts;
  return one.name === other.name && restraint(one) === restraint(other) && limit(one) === limit(other);
}
