// What the state of a device means to a scheduler: the conditions that the agent reports, and the remedy.
import type { ReportedCondition, ReportedStatus } from '../cache-server/write.ts';
import type { DeviceState, DeviceView } from './devices/view.ts';

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

/** The agent's part of a device's status: `Ready`, and the condition of its source, for instance `NVMLReady`. */
export function statusOf({ state, message, condition }: DeviceView): ReportedStatus {
  const { status, reason, action = '' } = verdicts[state];
  const conditions = ['Ready', condition].map((type) => ({ type, status, reason, message }));
  return { conditions, recommendedAction: action };
}
