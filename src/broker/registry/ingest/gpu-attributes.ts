// The part of a GPU's hardware record that has no column of its own, for `gpus.attributes`.
import {
  type Device,
  type Evidence,
  Evidence_Verdict,
  type NvLink,
  type Pci,
} from '../../../wire/gpubroker/device/v1/device_details.ts';
import { storableCount, storableText } from './storable.ts';

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** More links than any board has. */
const maxLinks = 64;
/** More checks than a node makes of a GPU's identity. */
const maxEvidence = 32;
/** More MIG instances than any GPU has. */
const maxInstances = 64;

/** What stays, and what moves while the GPU works, which is stored but is no change. Absent is what is not reported. */
export function hardwareAttributes(device: Device): {
  attributes: Record<string, JsonValue>;
  moving: Record<string, JsonValue>;
} {
  const { pci, clocks, powerLimits, ecc, mig, memory } = device;
  const attributes = present({
    index: count(device.index),
    board_part_number: text(device.boardPartNumber),
    reserved_memory_bytes: count(memory?.reservedBytes),
    pci: pci && pciAttributes(pci),
    clocks:
      clocks &&
      present({
        max_graphics_mhz: count(clocks.maxGraphicsMhz),
        max_sm_mhz: count(clocks.maxSmMhz),
        max_memory_mhz: count(clocks.maxMemoryMhz),
      }),
    power_limits:
      powerLimits &&
      present({
        enforced_milliwatts: count(powerLimits.enforcedMilliwatts),
        default_milliwatts: count(powerLimits.defaultMilliwatts),
        min_milliwatts: count(powerLimits.minMilliwatts),
        max_milliwatts: count(powerLimits.maxMilliwatts),
      }),
    nvlinks: device.nvlinks.length > 0 ? device.nvlinks.slice(0, maxLinks).map(linkAttributes) : undefined,
    ecc: ecc && { enabled: ecc.enabled, pending: ecc.pending },
    mig: mig && {
      enabled: mig.enabled,
      pending: mig.pending,
      instance_uuids: mig.instanceUuids.slice(0, maxInstances).map((uuid) => text(uuid) ?? ''),
    },
    compute_partition: text(device.computePartition),
    identity_evidence:
      device.evidence.length > 0 ? device.evidence.slice(0, maxEvidence).map(evidenceAttributes) : undefined,
  });
  // A GPU that idles drops to fewer lanes and a lower generation.
  const moving = present({
    pci_link: pci && present({ generation: count(pci.linkGeneration), width: count(pci.linkWidth) }),
  });
  return { attributes, moving };
}

function pciAttributes(pci: Pci): JsonValue | undefined {
  return present({
    bus_id: text(pci.busId),
    device_id: count(pci.deviceId),
    subsystem_id: count(pci.subsystemId),
    max_link_generation: count(pci.maxLinkGeneration),
    max_link_width: count(pci.maxLinkWidth),
  });
}

function linkAttributes(link: NvLink): JsonValue {
  return present({
    link: link.link,
    active: link.active,
    version: count(link.version),
    remote_bus_id: text(link.remoteBusId),
  });
}

function evidenceAttributes({ check, witness, verdict, message }: Evidence): JsonValue {
  return present({
    check: text(check),
    witness: text(witness),
    verdict: verdicts.get(verdict),
    message: text(message),
  });
}

const verdicts: ReadonlyMap<Evidence_Verdict, string> = new Map([
  [Evidence_Verdict.AGREES, 'agrees'],
  [Evidence_Verdict.DISAGREES, 'disagrees'],
  [Evidence_Verdict.UNKNOWN, 'unknown'],
]);

function text(value: string | undefined): string | undefined {
  return storableText(value, 253) ?? undefined;
}

function count(value: number | bigint | undefined): number | undefined {
  return storableCount(value) ?? undefined;
}

/** Without what is absent. */
function present(values: Record<string, JsonValue | undefined>): Record<string, JsonValue> {
  const found = Object.entries(values).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined);
  return Object.fromEntries(found);
}
