// What a machine must have for the tests to run (required), and what it may lack (hardware). With REQUIRE_ALL=1, as in
// CI, a missing required capability fails the tests; without it the tests concerned are skipped by name with the reason.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'vitest';

interface Capability {
  readonly what: string;
  readonly kind: 'required' | 'hardware';
  readonly present: () => boolean;
}

const capabilities = {
  'c-compiler': { what: 'a C compiler (cc)', kind: 'required', present: () => runs('cc', ['--version']) },
  mount: { what: 'mounting a tmpfs (root)', kind: 'required', present: () => process.getuid?.() === 0 && canMount() },
  root: { what: 'running as root', kind: 'required', present: () => process.getuid?.() === 0 },
  'postgres-15': {
    what: "Debian's PostgreSQL 15 (package postgresql)",
    kind: 'required',
    present: () => existsSync('/usr/lib/postgresql/15/bin/postgres'),
  },
  'redis-server': {
    what: 'redis-server',
    kind: 'required',
    present: () => runs('redis-server', ['--version']),
  },
  promtool: {
    what: "Prometheus's promtool (package prometheus)",
    kind: 'required',
    present: () => runs('promtool', ['--version']),
  },
  opencl: {
    what: 'an OpenCL device (package pocl-opencl-icd)',
    kind: 'required',
    present: () => existsSync('/etc/OpenCL/vendors') && readdirSync('/etc/OpenCL/vendors').length > 0,
  },
  clpeak: {
    what: "clpeak (Debian's package of that name)",
    kind: 'required',
    present: () => runs('clpeak', ['--version']),
  },
  ptxas: { what: "CUDA's ptxas", kind: 'hardware', present: () => runs('ptxas', ['--version']) },
  'nvidia-gpu': { what: 'an NVIDIA GPU', kind: 'hardware', present: () => existsSync('/dev/nvidiactl') },
} as const satisfies Record<string, Capability>;

export type CapabilityName = keyof typeof capabilities;

/** Whether this machine has something. */
export function has(name: CapabilityName): boolean {
  return capabilities[name].present();
}

/** `test`, or a test skipped with the reason when the machine lacks something. */
export function testWith(...names: CapabilityName[]): typeof test {
  const missing = names.map((name): Capability => capabilities[name]).filter(({ present }) => !present());
  if (missing.length === 0) return test;
  const required = missing.filter(({ kind }) => kind === 'required');
  if (required.length > 0 && process.env.REQUIRE_ALL === '1') {
    throw new Error(`REQUIRE_ALL=1, and this machine lacks ${required.map(({ what }) => what).join(', ')}`);
  }
  const reason = missing.map(({ what, kind }) => `${kind}: ${what}`).join(', ');
  const skip = (name: string) => {
    console.warn(`skipped: ${name} (this machine lacks ${reason})`);
    test.skip(`${name} (skipped, lacks ${reason})`, () => undefined);
  };
  // One line stands for all cases.
  return Object.assign(skip, { each: () => skip }) as unknown as typeof test;
}

function runs(command: string, args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function canMount(): boolean {
  return runs('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']);
}
