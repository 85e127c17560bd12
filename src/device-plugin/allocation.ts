// What a container needs so that it can use the devices that the kubelet has chosen for it.
import type { DevicePluginOptions } from '../daemon/device-plugin-options.ts';
import { defineError } from '../daemon/errors.ts';
import { type CDIDevice, ContainerAllocateResponse } from '../wire/kubelet/deviceplugin/v1beta1/api.ts';
import { deviceFiles } from './device-files.ts';
import type { Offer } from './offers.ts';

export const deviceUnknown = defineError(
  'GPUB_DEVICE_UNKNOWN',
  (resource: string, id: string) => `devices_ids: ${resource} has no device ${JSON.stringify(id.slice(0, 128))}`,
  () => '`gpubroker gpus list` shows the devices of this node.',
);

export const deviceUnusable = defineError(
  'GPUB_DEVICE_UNUSABLE',
  (resource: string, id: string, reason: string) => `devices_ids: ${id} of ${resource} must not be used: ${reason}`,
  () => 'The kubelet has been told; the pod is placed on another device when it is made again.',
);

/** How devices are handed out. */
export type HandOver = Pick<DevicePluginOptions, 'allocate' | 'hostRoot'>;

/**
 * The devices of these ids.
 *
 * @throws CodedError naming the first that is not offered, or that must not be used now
 */
export function usable(resource: string, offers: readonly Offer[], ids: readonly string[]): Offer[] {
  return ids.map((id) => {
    const offer = offers.find((one) => one.id === id);
    if (!offer) throw deviceUnknown(resource, id);
    if (offer.unusable !== '') throw deviceUnusable(resource, id, offer.unusable);
    return offer;
  });
}

/**
 * What one container needs for its devices: of NVIDIA, names for the container runtime; of others, their files.
 *
 * @throws CodedError when a device has no files
 */
export function containerAnswer(offers: readonly Offer[], { allocate, hostRoot }: HandOver): ContainerAllocateResponse {
  const answer = ContainerAllocateResponse.create();
  const nvidia = offers.filter(({ device }) => (device.vendor ?? 'nvidia') === 'nvidia').map(({ id }) => id);
  const others = offers.filter(({ id }) => !nvidia.includes(id)).map(({ device }) => device);
  if (nvidia.length > 0 && allocate === 'env') answer.envs.NVIDIA_VISIBLE_DEVICES = nvidia.join(',');
  if (allocate === 'cdi') answer.cdiDevices = nvidia.map(cdiDevice);
  answer.devices = deviceFiles(others, hostRoot).map((path) => ({
    containerPath: path,
    hostPath: path,
    permissions: 'rw',
  }));
  return answer;
}

/** As NVIDIA's container toolkit names devices in the specification that it generates. */
function cdiDevice(uuid: string): CDIDevice {
  return { name: `nvidia.com/gpu=${uuid}` };
}
