// The one function that turns a GPU's conditions into its health; metrics, command line and broker all use it.

/** Which status of a condition is good: `good` means True is, `bad` means False is, `info` means it does not matter. */
export type Polarity = 'good' | 'bad' | 'info';

/** Polarities that the operator sets, by condition type; they win over the built-in ones. */
export type PolarityOverrides = ReadonlyMap<string, Polarity>;

export type GpuHealth = 'healthy' | 'unhealthy' | 'unknown';

/** The part of a condition that health depends on. */
interface HealthCondition {
  readonly type: string;
  /** `True`, `False` or `Unknown`; any other word counts as `Unknown`. */
  readonly status: string;
}

const noOverrides: PolarityOverrides = new Map();
const badTypes = new Set(['Degraded', 'ResetRequired', 'HardwareFailure', 'PerformanceDegraded']);

/** What the statuses of a condition type mean. */
function polarityOf(type: string, overrides: PolarityOverrides = noOverrides): Polarity {
  return overrides.get(type) ?? (badTypes.has(type) ? 'bad' : /(?:Ready|Health)$/.test(type) ? 'good' : 'info');
}

/** Any bad condition: unhealthy. Else any unknown one, or no `Ready`: unknown. Else healthy. */
export function gpuHealth(conditions: readonly HealthCondition[], overrides?: PolarityOverrides): GpuHealth {
  let health: GpuHealth = conditions.some(({ type }) => type === 'Ready') ? 'healthy' : 'unknown';
  for (const condition of conditions) {
    const verdict = judge(condition, overrides);
    if (verdict === 'unhealthy') return 'unhealthy';
    if (verdict === 'unknown') health = 'unknown';
  }
  return health;
}

/**
 * The condition that keeps a GPU from being healthy: the first that says by itself what the health says. None for a
 * healthy GPU, nor where only polarities that are not known here explain the health.
 */
export function healthCause<C extends HealthCondition>(conditions: readonly C[], health: GpuHealth): C | undefined {
  return health === 'healthy' ? undefined : conditions.find((condition) => judge(condition) === health);
}

/** What one condition says by itself. */
function judge({ type, status }: HealthCondition, overrides?: PolarityOverrides): GpuHealth {
  const polarity = polarityOf(type, overrides);
  if (polarity === 'info') return 'healthy';
  if (status !== 'True' && status !== 'False') return 'unknown';
  return (status === 'True') === (polarity === 'good') ? 'healthy' : 'unhealthy';
}
