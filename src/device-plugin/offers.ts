// Which devices are offered as which resource, and which of them may be used: a pure function of what is known.
import type { DevicePluginOptions } from '../daemon/device-plugin-options.ts';
import type { Device } from '../wire/gpubroker/device/v1/device_details.ts';

/** A device that is offered. */
export interface Offer {
  /** The id by which the kubelet knows it: its UUID as the driver spells it. */
  readonly id: string;
  readonly device: Device;
  /** Why no container may use it now; empty if one may. */
  readonly unusable: string;
}

/** What this node offers. */
export interface Offers {
  /** By the name of the resource, ordered by the driver's index. The resource of the options is always there. */
  readonly resources: ReadonlyMap<string, readonly Offer[]>;
  /** What an operator should know, because it keeps devices from being offered. */
  readonly problems: readonly string[];
}

type Choices = Pick<DevicePluginOptions, 'resourceName' | 'migStrategy'>;

/** Nobody's devices but theirs are offered under these domains. */
const vendorOfDomain: Readonly<Record<string, string>> = {
  'nvidia.com': 'nvidia',
  'amd.com': 'amd',
  'intel.com': 'intel',
  'gpu.intel.com': 'intel',
};

/**
 * What a node offers.
 *
 * @param lost why nothing is known of the devices any more, so that none may be used; empty while something is known
 */
export function offersOf(devices: readonly Device[], choices: Choices, lost = ''): Offers {
  const known = [...devices].filter((device) => isKnown(device) && isOf(device, choices.resourceName)).sort(byIndex);
  // Whatever the spelling of names is, that of parents is in small letters.
  const byName = new Map(known.map((device) => [device.name.toLowerCase(), device]));
  const offer = (device: Device): Offer => ({
    id: device.uuid ?? '',
    device,
    unusable:
      lost || unusable(device, device.parent === undefined ? undefined : byName.get(device.parent.toLowerCase())),
  });
  const whole = known.filter((device) => !isInstance(device) && !device.mig?.enabled);
  const instances = known.filter(isInstance);
  const { resourceName, migStrategy } = choices;
  if (migStrategy === 'none') return { resources: new Map([[resourceName, whole.map(offer)]]), problems: [] };
  if (migStrategy === 'mixed') return mixed(resourceName, whole.map(offer), instances.map(offer));
  const problem = whyNotUniform(whole, instances);
  const offered = problem ? [] : [...whole, ...instances];
  return { resources: new Map([[resourceName, offered.map(offer)]]), problems: problem ? [problem] : [] };
}

/** One that its daemon has not seen since its start may be anything, a GPU in MIG mode for instance. */
function isKnown({ uuid, source, stale }: Device): boolean {
  return uuid !== undefined && uuid !== '' && (source !== undefined || !stale);
}

function isOf({ vendor }: Device, resourceName: string): boolean {
  const expected = vendorOfDomain[domainOf(resourceName)];
  return vendor === undefined || expected === undefined || vendor === expected;
}

function isInstance({ parent, uuid }: Device): boolean {
  return parent !== undefined || (uuid ?? '').startsWith('MIG-');
}

function unusable({ health, leased }: Device, parent: Device | undefined): string {
  if (health !== 'healthy') return `it is ${health || 'unknown'}`;
  if (parent && parent.health !== 'healthy') return `its GPU ${parent.name} is ${parent.health || 'unknown'}`;
  if (leased) return 'it is leased';
  return parent?.leased ? `its GPU ${parent.name} is leased` : '';
}

/** `nvidia.com/mig-1g.10gb`; Kubernetes takes no plus sign, which profiles such as 1g.10gb+me have. */
function mixed(resourceName: string, whole: readonly Offer[], instances: readonly Offer[]): Offers {
  const resources = new Map<string, Offer[]>([[resourceName, [...whole]]]);
  const problems: string[] = [];
  for (const instance of instances) {
    const profile = instance.device.migInstance?.profile;
    if (profile === undefined) {
      problems.push(`the profile of the MIG instance ${instance.id} is not known`);
      continue;
    }
    const name = `${domainOf(resourceName)}/mig-${profile.replaceAll(/[^A-Za-z0-9._-]/g, '.')}`;
    resources.set(name, [...(resources.get(name) ?? []), instance]);
  }
  return { resources, problems };
}

/** Under one name, a pod could not tell one kind of device from another. */
function whyNotUniform(whole: readonly Device[], instances: readonly Device[]): string {
  const profiles = [...new Set(instances.map(({ migInstance }) => migInstance?.profile ?? 'unknown'))].sort();
  if (profiles.length > 1) return `mig-strategy single: the instances have the profiles ${profiles.join(', ')}`;
  if (profiles.length === 0 || whole.length === 0) return '';
  return `mig-strategy single: some GPUs are split into ${profiles[0]}, and ${whole.length} are not split`;
}

function domainOf(resourceName: string): string {
  return resourceName.slice(0, resourceName.indexOf('/'));
}

/** Instances follow each other as the driver counts them, behind those of GPUs before theirs. */
function byIndex(a: Device, b: Device): number {
  const order =
    (a.index ?? 0) - (b.index ?? 0) || (a.migInstance?.gpuInstance ?? 0) - (b.migInstance?.gpuInstance ?? 0);
  return order || ((a.uuid ?? '') < (b.uuid ?? '') ? -1 : 1);
}
