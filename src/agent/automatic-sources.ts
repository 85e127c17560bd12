// What `--sources auto` stands for on this machine: a probe process costs memory, so a source is started only where there
// may be a card for it. Files alone are asked, no driver.
import type { SourceName } from '../daemon/node-options.ts';
import { amdCards } from './devices/amd/kind.ts';
import { HostFiles } from './devices/host-files.ts';
import { intelCards } from './devices/intel/kind.ts';
import { listGpuFunctions } from './devices/pci.ts';
import { listCards } from './devices/sysfs/cards.ts';

/**
 * The sources for the cards that are here now; never anything simulated. NVML is among them wherever there is no other,
 * because its devices may be on no PCI bus that can be seen, as in some virtual machines.
 */
export function automaticSources(hostRoot: string): readonly SourceName[] {
  const files = new HostFiles(hostRoot);
  const others: SourceName[] = [];
  if (listCards(files, amdCards).length > 0) others.push('amd');
  if (listCards(files, intelCards).length > 0) others.push('intel');
  const hasNvidia = listGpuFunctions(files).some(({ vendor }) => vendor === 'nvidia');
  return hasNvidia || others.length === 0 ? ['nvml', ...others] : others;
}
