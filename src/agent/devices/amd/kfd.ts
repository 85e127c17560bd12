// What AMD's compute driver (KFD) says of a card: its compute units, its architecture, who computes on it. A card that
// is divided into compute partitions has several nodes in its topology.
import type { HostFiles } from '../host-files.ts';
import type { DeviceReadings } from '../record.ts';

const FOLDER = 'sys/class/kfd/kfd';
/** Processes that are looked at. */
const MAX_PROCESSES = 1_024;

/** One node of the topology that is a GPU. */
export interface KfdNode {
  readonly gpuId: number;
  readonly computeUnits?: number;
  /** For instance 90402, which is gfx942. */
  readonly target?: number;
  readonly maxMhz?: number;
}

/** The nodes of the card at this PCI address, as sysfs spells it. */
export function kfdNodes(files: HostFiles, busId: string): KfdNode[] {
  const nodes = files.names(`${FOLDER}/topology/nodes`).map((name) => `${FOLDER}/topology/nodes/${name}`);
  return nodes.flatMap((folder) => {
    const gpuId = files.integer(`${folder}/gpu_id`);
    const properties = propertiesOf(files.lines(`${folder}/properties`) ?? []);
    if (!gpuId || !isAt(properties, busId)) return [];
    const [simds, each] = [properties.get('simd_count'), properties.get('simd_per_cu')];
    const target = properties.get('gfx_target_version');
    const maxMhz = properties.get('max_engine_clk_fcompute');
    return [
      {
        gpuId,
        ...(simds && each && { computeUnits: simds / each }),
        ...(target && { target }),
        ...(maxMhz && { maxMhz }),
      },
    ];
  });
}

const architectures: readonly [test: RegExp, name: string][] = [
  [/^gfx90[0-6]$/, 'gcn5'],
  [/^gfx908$/, 'cdna1'],
  [/^gfx90a$/, 'cdna2'],
  [/^gfx94/, 'cdna3'],
  [/^gfx95/, 'cdna4'],
  [/^gfx101/, 'rdna1'],
  [/^gfx103/, 'rdna2'],
  [/^gfx115/, 'rdna3.5'],
  [/^gfx11/, 'rdna3'],
  [/^gfx12/, 'rdna4'],
];

/** The architecture of a target, for instance `cdna3`; AMD's own `gfx…` for one that is not known here. */
export function architectureOf(target: number): string {
  const [major, minor, step] = [Math.floor(target / 10_000), Math.floor(target / 100) % 100, target % 100];
  const name = `gfx${major}${minor.toString(16)}${step.toString(16)}`;
  return architectures.find(([test]) => test.test(name))?.[1] ?? name;
}

/** Who has memory of these nodes; undefined where the driver does not say. */
export function kfdProcesses(files: HostFiles, nodes: readonly KfdNode[]): DeviceReadings['processes'] {
  if (nodes.length === 0 || !files.exists(`${FOLDER}/proc`)) return undefined;
  const pids = files.names(`${FOLDER}/proc`).filter((name) => /^\d{1,10}$/.test(name));
  return pids.slice(0, MAX_PROCESSES).flatMap((pid) => {
    const used = nodes.map(({ gpuId }) => files.integer(`${FOLDER}/proc/${pid}/vram_${gpuId}`) ?? 0);
    const usedMemoryBytes = used.reduce((sum, bytes) => sum + bytes, 0);
    // Whoever opens the driver is listed for every card; only one that it works on has its memory.
    return usedMemoryBytes > 0 ? [{ pid: Number(pid), kind: 'compute' as const, usedMemoryBytes }] : [];
  });
}

function propertiesOf(lines: readonly string[]): Map<string, number> {
  const pairs = lines.flatMap((line) => {
    const [, name, value] = /^(\w+) (\d+)$/.exec(line) ?? [];
    return name === undefined || !Number.isSafeInteger(Number(value)) ? [] : [[name, Number(value)] as const];
  });
  return new Map(pairs);
}

/** The place has bus and device as PCI numbers them; where the function would be, or on top, a partition's number. */
function isAt(properties: ReadonlyMap<string, number>, busId: string): boolean {
  const [domain = '', bus = '', device = ''] = busId.split(/[:.]/);
  const place = properties.get('location_id');
  if (place === undefined) return false;
  const wanted = Number.parseInt(bus, 16) * 256 + Number.parseInt(device, 16) * 8;
  return (place & 0xfff8) === wanted && (properties.get('domain') ?? 0) === Number.parseInt(domain, 16);
}
