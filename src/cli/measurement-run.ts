// `gpubroker bench run`: measures GPUs through the daemon, which sees to it that nobody else has them meanwhile.
import type { Measurement, NotMeasured, RunMeasurementRequest } from '../wire/gpubroker/device/v1/measurement.ts';
import { exitCodes } from './exit-codes.ts';
import { openProgress } from './measurement-progress.ts';
import { formatMeasurement, viewMeasurement } from './measurement-view.ts';
import type { NodeClient } from './node-client.ts';
import { coloured, oneLine, print, printJson, remark } from './output.ts';

/** What came of a run. */
interface Outcome {
  readonly measurements: Measurement[];
  readonly notMeasured: NotMeasured[];
}

/**
 * Measures until all is done or `stop` is aborted, with a bar for each GPU, and prints what came of it; returns the exit
 * code: 1 where it was stopped, where a GPU that was named is not measured, or none is.
 *
 * @throws CodedError
 */
export async function runMeasurement(
  client: NodeClient,
  request: RunMeasurementRequest,
  json: boolean,
  stop: AbortSignal,
): Promise<number> {
  const outcome = await measure(client, request, stop);
  if (json) printJson({ ...outcome, measurements: outcome.measurements.map(viewMeasurement) });
  else printOutcome(outcome);
  if (stop.aborted) remark('Stopped: what was not finished is not kept.');
  return stop.aborted || hasFailed(request, outcome) ? exitCodes.failed : exitCodes.ok;
}

async function measure(client: NodeClient, request: RunMeasurementRequest, stop: AbortSignal): Promise<Outcome> {
  const outcome: Outcome = { measurements: [], notMeasured: [] };
  const bars = openProgress();
  try {
    for await (const { progress, measurement, notMeasured } of client.runMeasurement(request, stop)) {
      if (progress) bars.show({ ...progress, name: progress.gpu });
      if (measurement) outcome.measurements.push(measurement);
      if (notMeasured) outcome.notMeasured.push(notMeasured);
    }
  } finally {
    bars.close();
  }
  return outcome;
}

/** That somebody else has a GPU which nobody asked for by name is no failure. */
function hasFailed({ gpus }: RunMeasurementRequest, { measurements, notMeasured }: Outcome): boolean {
  const isFailure = gpus.length > 0 || notMeasured.some(({ reason }) => reason === 'failed');
  return measurements.length === 0 || (notMeasured.length > 0 && isFailure);
}

function printOutcome({ measurements, notMeasured }: Outcome): void {
  if (measurements.length > 0) print(measurements.map(formatMeasurement).join('\n\n'));
  for (const { gpu, reason, message } of notMeasured) {
    remark(oneLine(`${gpu} is not measured: ${coloured('yellow', reason)}: ${message}`));
  }
  if (measurements.length + notMeasured.length === 0) remark('This node has no GPU to measure.');
}
