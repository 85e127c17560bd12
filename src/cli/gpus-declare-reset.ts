// `gpubroker gpus declare-reset`: an operator's word that a GPU was reset where the daemon did not see it.
import { formatDuration } from '../daemon/duration.ts';
import type { NodeClient } from './node-client.ts';
import { oneLine, print, printJson } from './output.ts';

/** Declares it, and says what happens next. */
export async function declareReset(client: NodeClient, name: string, json: boolean): Promise<void> {
  const quietPeriodMillis = await client.declareReset(name);
  const quiet = formatDuration(quietPeriodMillis);
  if (json) printJson({ name, quietPeriodMillis });
  else print(oneLine(`${name} counts as reset; healthy after ${quiet} without trouble, if its probe then succeeds`));
}
