// Says on what the figures were measured.
import { arch, cpus, release, totalmem } from 'node:os';
import { peerVersions } from './peer.ts';

export async function describeMachine(): Promise<string> {
  const memory = `${(totalmem() / 2 ** 30).toFixed(0)} GiB`;
  const cores = cpus();
  return [
    `${cores[0]?.model.trim() ?? 'unknown CPU'} (${arch()}), ${cores.length} cores, ${memory}`,
    `Linux ${release()}`,
    `Node ${process.version}`,
    await peerVersions(),
  ].join(' · ');
}
