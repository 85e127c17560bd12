// What can go wrong between `gpubroker up` and its own broker.
import { defineError } from '../daemon/errors.ts';

export const brokerNotReady = defineError(
  'GPUB_BROKER_NOT_READY',
  (reason: string) => `the broker of this machine does not serve: ${reason}`,
  () => 'The lines of the broker above say why; `gpubroker up --broker=false` serves the GPUs without one.',
);
