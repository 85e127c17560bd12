// How well two devices work together, as one number: NVLink before the NUMA node, and that before the same GPU.
import type { Device } from '../wire/gpubroker/device/v1/device_details.ts';

/** Larger than how often the next criterion can count among the devices of a node, so that it never outweighs. */
const weight = { nvlink: 1e10, numaNode: 1e5, gpu: 1 };

/** The affinity of every device to every other, by their places; none where nothing is known of one. */
export function affinities(devices: readonly (Device | undefined)[]): number[][] {
  const known = new Set(devices.flatMap((device) => (device ? [address(device)] : [])));
  const links = devices.map((device) => linksOf(device, known));
  return devices.map((a, i) =>
    devices.map((b, j) => (i === j || !a || !b ? 0 : affinity(a, b, connections(a, b, links[i], links[j])))),
  );
}

function affinity(a: Device, b: Device, connections: number): number {
  const sameNode = a.numaNode !== undefined && a.numaNode === b.numaNode;
  const sameGpu = a.parent !== undefined && a.parent === b.parent;
  return connections * weight.nvlink + Number(sameNode) * weight.numaNode + Number(sameGpu) * weight.gpu;
}

/** Direct connections; without any, through each switch as many as both have to it. */
function connections(a: Device, b: Device, fromA: Links = noLinks, fromB: Links = noLinks): number {
  const direct = Math.max(fromA.peers.get(address(b)) ?? 0, fromB.peers.get(address(a)) ?? 0);
  if (direct > 0) return direct;
  return [...fromA.switches].reduce((sum, [to, count]) => sum + Math.min(count, fromB.switches.get(to) ?? 0), 0);
}

/** How many links that are up lead to each address: that of another of the devices, or else of a switch. */
interface Links {
  readonly peers: ReadonlyMap<string, number>;
  readonly switches: ReadonlyMap<string, number>;
}

const noLinks: Links = { peers: new Map(), switches: new Map() };

function linksOf(device: Device | undefined, known: ReadonlySet<string>): Links {
  const [peers, switches] = [new Map<string, number>(), new Map<string, number>()];
  for (const { active, remoteBusId } of device?.nvlinks ?? []) {
    if (!active || remoteBusId === undefined) continue;
    const remote = remoteBusId.toLowerCase();
    const counts = known.has(remote) ? peers : switches;
    counts.set(remote, (counts.get(remote) ?? 0) + 1);
  }
  return { peers, switches };
}

function address({ pci }: Device): string {
  return pci?.busId?.toLowerCase() ?? '';
}
