// What pods hold, in the records of the devices: a step of the agent's life.
import { Gauge } from 'prom-client';
import type { DeviceBook } from '../../cache-server/device-details.ts';
import type { DaemonContext } from '../../daemon/daemon.ts';
import type { Step } from '../../daemon/lifecycle.ts';
import type { AgentOptions } from '../../daemon/node-options.ts';
import { PodResources } from './pod-resources.ts';

/** How long an answer of the kubelet holds, in milliseconds: longer than its restart takes. */
const knownFor = 30_000;

/** @param book the devices; asked for when the step starts */
export function occupancyStep(context: DaemonContext<AgentOptions>, book: () => DeviceBook): Step {
  const { options, log, readiness } = context;
  let pods: PodResources | undefined;
  return {
    name: 'occupancy',
    start() {
      const devices = book();
      const found = new PodResources({
        socket: options.podResourcesSocket,
        log,
        knownFor,
        onChange: (reason) => {
          if (reason === '') readiness.ok('pod-resources');
          else readiness.warn('pod-resources', warning(found, reason));
          devices.useChanged();
        },
      });
      pods = found;
      devices.addUse((device) => ({ allocation: found.allocations(device) }));
      observePodResources(context, found);
      found.start();
    },
    stop: () => pods?.stop(),
  };
}

function warning({ isKnown }: PodResources, reason: string): string {
  return isKnown ? reason : `it is not known which pods hold GPUs, so none is sold: ${reason}`;
}

/** Shows whether the kubelet answers. */
export function observePodResources(
  { registry }: Pick<DaemonContext<AgentOptions>, 'registry'>,
  pods: Pick<PodResources, 'isKnown'>,
): void {
  new Gauge({
    name: 'gpubroker_pod_resources_known',
    help: '1 while the kubelet says which pods hold which devices, else 0.',
    registers: [registry],
    collect() {
      this.set(pods.isKnown ? 1 : 0);
    },
  });
}
