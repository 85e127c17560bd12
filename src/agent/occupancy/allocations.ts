// Which device each pod holds, as the kubelet tells it: a pure function from its answer to a word on each device.
//
// A device plugin names devices as it likes. Most use the UUID (also followed by `::1`, where a device is shared) or the
// address on the PCI bus, and these are found. Other names, and claims of GPUs that name no UUID, may be any GPU of that
// vendor: of those it is then not known who holds them.
import type { Allocation, Device } from '../../wire/gpubroker/device/v1/device_details.ts';
import type { ListPodResourcesResponse } from '../../wire/kubelet/podresources/v1/api.ts';

/** What of a device says which it is. */
export type NamedDevice = Pick<Device, 'uuid' | 'vendor' | 'pci'>;

/** Says who holds a device. */
export type Allocations = (device: NamedDevice) => Allocation;

/** Holders beyond these are not named: that there are some is what counts. */
const mostHolders = 16;
/** Namespace, pod and container have at most 63, 253 and 63 characters. */
const holderLength = 400;

const uuid = /^(?:gpu|mig)-[0-9a-f]{8}/;
const pciAddress = /^(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/;

/** Nobody knows who holds anything. */
export const unknownAllocations: Allocations = () => ({ holders: [], unknown: true });

/** Reads an answer of the kubelet. */
export function readAllocations({ podResources }: ListPodResourcesResponse): Allocations {
  const holders = new Map<string, Set<string>>();
  const unnamed = new Set<string>();
  const hold = (source: string, id: string, holder: string) => {
    const key = keyOf(id);
    const vendor = gpuVendor(source);
    if (vendor !== undefined && !uuid.test(key) && !pciAddress.test(key)) unnamed.add(vendor);
    const held = holders.get(key) ?? new Set();
    if (held.size < mostHolders) held.add(holder.slice(0, holderLength));
    holders.set(key, held);
  };
  for (const { namespace, name, containers } of podResources) {
    for (const { name: container, devices, dynamicResources } of containers) {
      const holder = `${namespace}/${name}/${container}`;
      for (const { resourceName, deviceIds } of devices) {
        for (const id of deviceIds) hold(resourceName, id, holder);
      }
      for (const { driverName, deviceName, cdiDevices } of dynamicResources.flatMap((one) => one.claimResources)) {
        const ids = [deviceName, ...cdiDevices.map(({ name: cdi }) => cdi.slice(cdi.indexOf('=') + 1))];
        hold(driverName, ids.find((id) => uuid.test(keyOf(id))) ?? deviceName, holder);
      }
    }
  }
  return (device) => ({
    holders: [...new Set(keysOf(device).flatMap((key) => [...(holders.get(key) ?? [])]))].sort(),
    unknown: unnamed.has(device.vendor ?? '') || (device.vendor === undefined && unnamed.size > 0),
  });
}

/** Whose GPUs a resource or a driver of claims gives out, for instance `nvidia.com/gpu`, `gpu.intel.com/i915`. */
function gpuVendor(source: string): string | undefined {
  if (/monitoring$/.test(source)) return undefined;
  const [, vendor] = /^(?:gpu\.)?(nvidia|amd|intel)\.com(?:\/|$)/.exec(source) ?? [];
  return vendor !== undefined && /(?:gpu|mig-)/.test(source) ? vendor : undefined;
}

function keysOf({ uuid: id, pci }: NamedDevice): string[] {
  return [id, pci?.busId].flatMap((one) => (one ? [keyOf(one)] : []));
}

/** In one spelling: small letters, no share, a PCI domain of four digits. */
function keyOf(id: string): string {
  const plain = id.toLowerCase().replace(/::.*$/, '');
  if (!pciAddress.test(plain)) return plain;
  const [functionAt = '', busAt = '', domain = '0'] = plain.split(':').reverse();
  return `${domain.replace(/^0+/, '').padStart(4, '0')}:${busAt}:${functionAt}`;
}
