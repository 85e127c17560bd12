// What the state of a device means to a scheduler: the conditions that the agent reports, and the remedy; and what was
// the matter with a device before a restart, read back from them.
import { type CachedGpu, mostSevereAction, notReconfirmed } from '../cache-server/gpu.ts';
import { agentProvider, type ReportedCondition, type ReportedStatus } from '../cache-server/write.ts';
import type { DeviceState, DeviceView } from './devices/view.ts';
import { type Finding, needsRecovery } from './health/finding.ts';
import type { RecommendedAction } from './health/xids.ts';

type Verdict = Pick<ReportedCondition, 'status' | 'reason'> & { readonly action?: string };

/**
 * False where the driver says so itself; Unknown where nobody can say. Actions are those of NVIDIA's device API.
 */
const verdicts: Readonly<Record<DeviceState, Verdict>> = {
  ok: { status: 'True', reason: 'Answers' },
  lost: { status: 'False', reason: 'GpuLost', action: 'RebootNode' },
  'reset-required': { status: 'False', reason: 'ResetRequired', action: 'ResetGPU' },
  missing: { status: 'False', reason: 'NotEnumerated' },
  failed: { status: 'Unknown', reason: 'DriverError' },
  hung: { status: 'Unknown', reason: 'DriverHung' },
  'driver-gone': { status: 'Unknown', reason: 'DriverNotLoaded' },
  'probe-down': { status: 'Unknown', reason: 'ProbeDown' },
};

/** The condition that says how a GPU performs, by its measurements. */
const performanceDegraded = 'PerformanceDegraded';
/** Characters of a condition's message. */
const MAX_MESSAGE_LENGTH = 500;

/**
 * The agent's part of a device's status: `Ready`, the condition of its source, for instance `NVMLReady`, a condition for
 * every type of what health rules have found, and how it performs where that was measured.
 */
export function statusOf(
  { state, message, condition }: DeviceView,
  findings: readonly Finding[],
  performance?: ReportedCondition,
): ReportedStatus {
  const { status, reason, action = '' } = verdicts[state];
  const conditions = ['Ready', condition].map((type) => ({ type, status, reason, message }));
  const actions = [action, ...findings.map((finding) => finding.action)];
  return {
    conditions: [...conditions, ...conditionsOf(findings), ...(performance ? [performance] : [])],
    recommendedAction: mostSevereAction(actions),
  };
}

/** One for each type: the reason is that of the finding whose remedy is the most severe, the message names them all. */
function* conditionsOf(findings: readonly Finding[]): Iterable<ReportedCondition> {
  for (const [type, ofType = []] of Object.entries(Object.groupBy(findings, (finding) => finding.type))) {
    const action = mostSevereAction(ofType.map((finding) => finding.action));
    const reason = ofType.find((finding) => finding.action === action)?.reason ?? '';
    const message = ofType.map((finding) => finding.message).join('; ');
    yield { type, status: 'True', reason, message: message.slice(0, MAX_MESSAGE_LENGTH) };
  }
}

/** What was the matter with a GPU when the cache was written: a restart of the agent heals nothing. */
export function rememberedOf({ conditions, actions }: CachedGpu): Finding[] {
  const action = (actions[agentProvider] ?? '') as RecommendedAction;
  return conditions.flatMap(({ provider, type, status, reason, message }): Finding[] => {
    if (provider !== agentProvider) return [];
    if (type === 'Degraded' && status === 'True') return [{ type, reason, message, action: '' }];
    if (!needsRecovery(type)) return [];
    if (status === 'True') return [{ type, reason, message, action }];
    // Nobody saw the device since the restart before this one; the message still says what the status was.
    const wasSo = reason === notReconfirmed && message.endsWith(`${type} was True`);
    return wasSo
      ? [{ type, reason: 'BeforeRestart', message: 'it was so before the agent was restarted', action: 'ResetGPU' }]
      : [];
  });
}

/** How a GPU performed when the cache was written. Until what was measured is loaded, that stands. */
export function rememberedPerformanceOf({ conditions }: CachedGpu): ReportedCondition | undefined {
  const found = conditions.find(({ provider, type }) => provider === agentProvider && type === performanceDegraded);
  if (!found || found.status === 'Unknown') return undefined;
  const { type, status, reason, message } = found;
  return { type, status, reason, message };
}
