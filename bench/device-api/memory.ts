// Memory as Kubernetes counts it against a container's limit: the working set of a cgroup (usage − inactive file pages).
// Where no cgroup can be made, the sum of the processes' own anonymous and shared memory stands in; it leaves out file
// pages and kernel memory, so the report says which of the two it is.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const mebibyte = 1024 * 1024;

export type MemorySource = 'cgroup v1' | 'cgroup v2' | 'smaps_rollup';

// One set of processes whose memory is counted together.
export class MemoryGroup {
  readonly source: MemorySource;
  readonly #folder: string | undefined;

  constructor(name: string) {
    const made = makeGroup(`gpubroker-bench-${process.pid}-${name}`);
    this.source = made?.source ?? 'smaps_rollup';
    this.#folder = made?.folder;
  }

  // Wraps a command so that it starts inside the group and everything that it allocates is counted.
  wrap(command: string[]): string[] {
    if (this.#folder === undefined) return command;
    return ['sh', '-c', 'echo $$ > "$0" && exec "$@"', join(this.#folder, 'cgroup.procs'), ...command];
  }

  // The processes inside; none where there is no cgroup.
  members(): number[] {
    if (this.#folder === undefined) return [];
    return readFileSync(join(this.#folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
  }

  take(pid: number): void {
    if (this.#folder !== undefined) writeFileSync(join(this.#folder, 'cgroup.procs'), String(pid));
  }

  // In MiB; the processes are only asked where there is no cgroup.
  workingSet(pids: number[]): number {
    if (this.#folder === undefined) return pids.reduce((sum, pid) => sum + ownMemory(pid), 0) / mebibyte;
    const v1 = this.source === 'cgroup v1';
    const usage = Number(readFileSync(join(this.#folder, v1 ? 'memory.usage_in_bytes' : 'memory.current'), 'utf8'));
    const inactive = statistic(join(this.#folder, 'memory.stat'), v1 ? 'total_inactive_file' : 'inactive_file');
    return (usage - inactive) / mebibyte;
  }

  // To be called when its processes have ended; the kernel may need a moment to notice.
  async remove(): Promise<void> {
    for (let attempt = 0; this.#folder !== undefined && attempt < 50; attempt++) {
      try {
        return rmdirSync(this.#folder);
      } catch {
        await sleep(100);
      }
    }
  }
}

// Resident memory of one process with the file pages that it maps, in MiB, for comparison.
export function residentMemory(pid: number): number {
  return rollup(pid, 'Rss') / mebibyte;
}

function makeGroup(name: string): { source: MemorySource; folder: string } | undefined {
  const own = readFileSync('/proc/self/cgroup', 'utf8');
  const v1 = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(own)?.[1];
  const v2 = /^0::(.*)$/m.exec(own)?.[1];
  // In a container the path may be that of the host, so the mount's root is tried too.
  const places: [MemorySource, string, string][] = [
    ['cgroup v1', join('/sys/fs/cgroup/memory', v1 ?? ''), 'memory.usage_in_bytes'],
    ['cgroup v1', '/sys/fs/cgroup/memory', 'memory.usage_in_bytes'],
    ['cgroup v2', join('/sys/fs/cgroup', v2 ?? ''), 'memory.current'],
    ['cgroup v2', join('/sys/fs/cgroup', v2 ?? '', '..'), 'memory.current'],
    ['cgroup v2', '/sys/fs/cgroup', 'memory.current'],
  ];
  for (const [source, parent, file] of places) {
    const folder = join(parent, name);
    if (canCount(folder, file)) return { source, folder };
  }
  return undefined;
}

function canCount(folder: string, file: string): boolean {
  try {
    mkdirSync(folder);
  } catch {
    return false;
  }
  if (existsSync(join(folder, file))) return true;
  rmdirSync(folder);
  return false;
}

function statistic(file: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(readFileSync(file, 'utf8'))?.[1] ?? 0);
}

function ownMemory(pid: number): number {
  return rollup(pid, 'Pss_Anon') + rollup(pid, 'Pss_Shmem');
}

function rollup(pid: number, name: string): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024;
}
