// `gpubroker bench show`: what the node has kept of its measurements.
import type { Measurement } from '../wire/gpubroker/device/v1/measurement.ts';
import { formatMeasurement, formatTime, viewMeasurement } from './measurement-view.ts';
import type { NodeClient } from './node-client.ts';
import { formatTable, print, printJson, remark } from './output.ts';

/** Of each GPU, where nothing else is asked for: lines, and whole measurements. */
const usualLimit = { lines: 10, whole: 1 };

/** Prints a line for each measurement, or those of one GPU as a whole; the newest first. @throws CodedError */
export async function showMeasurements(
  client: NodeClient,
  gpu: string | undefined,
  limit: number | undefined,
  json: boolean,
): Promise<void> {
  const usual = gpu === undefined ? usualLimit.lines : usualLimit.whole;
  const measurements = await client.listMeasurements(gpu ?? '', limit ?? usual);
  if (json) printJson({ measurements: measurements.map(viewMeasurement) });
  else if (measurements.length === 0) remark('Nothing is measured yet: `gpubroker bench run` does.');
  else if (gpu !== undefined) print(measurements.map(formatMeasurement).join('\n\n'));
  else
    print(
      formatTable([['MEASURED', 'GPU', 'EFFORT', 'BACKEND', 'LABEL', 'FIGURES', 'ID'], ...measurements.map(rowOf)]),
    );
}

function rowOf({ endTime, gpu, effort, backend, label, figures, unmeasured, id }: Measurement): string[] {
  const count = `${figures.length} of ${figures.length + unmeasured.length}`;
  return [formatTime(endTime), gpu, effort, backend, label, count, id];
}
