// The house rules that a linter does not know: who may import whom, what every file opens with, what is never written.
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, matchesGlob, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const sources = globSync('src/**/*.ts', { cwd: root }).filter((path) => !path.startsWith('src/wire/'));
const written = [...sources, ...globSync('{test,bench,scripts}/**/*.ts', { cwd: root })];
const textOf = (path: string) => readFileSync(join(root, path), 'utf8');

/** The files of this project that a file imports, also dynamically; paths from the root. */
function importsOf(path: string): string[] {
  const found = textOf(path).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
  return [...found].map(([, target = '']) => normalize(join(dirname(path), target)));
}

/** The packages that a file imports. */
function packagesOf(path: string): string[] {
  const found = textOf(path).matchAll(/(?:from|import)\s*\(?\s*'([^.'][^']*)'/g);
  return [...found].map(([, name = '']) => name);
}

/** What every part of the broker builds on: contracts, the ground of daemons, ids, refusals, pages of lists. */
const brokerGround = [
  'src/wire/',
  'src/daemon/',
  'src/api/',
  'src/broker/ids.ts',
  'src/broker/paging.ts',
  'src/broker/refusal.ts',
  'src/broker/storage/',
];

/** What every source of devices builds on: the record, the interface, and what becomes of absent values. */
const sourceGround = [
  ...['absence', 'record', 'source'].map((name) => `src/agent/devices/${name}.ts`),
  'src/agent/driver-folders.ts',
];

/** What reads the host's files. */
const hostGround = ['src/agent/devices/host-files.ts', 'src/agent/devices/pci.ts'];

/** What the files of a folder may import of the rest of src/, besides the folder itself. */
const mayImport: Record<string, string[]> = {
  'src/wire/': [],
  'src/daemon/': ['src/wire/'],
  'src/cache-server/': ['src/wire/', 'src/daemon/'],
  'src/agent/devices/nvml/': sourceGround,
  'src/agent/devices/simulated/': sourceGround,
  'src/agent/devices/sysfs/': [...sourceGround, ...hostGround],
  'src/agent/devices/amd/': [...sourceGround, ...hostGround, 'src/agent/devices/sysfs/'],
  'src/agent/devices/intel/': [...sourceGround, ...hostGround, 'src/agent/devices/sysfs/'],
  'src/agent/devices/': ['src/daemon/'],
  'src/agent/verification/': ['src/proof/', 'src/score/figures.ts', 'src/agent/driver-folders.ts'],
  'src/agent/measurements/': [
    ...['src/wire/', 'src/daemon/', 'src/proof/', 'src/score/', 'src/agent/verification/'],
    ...['cache', 'device-details', 'rpc', 'encoding', 'errors', 'write', 'state/line'].map(
      (name) => `src/cache-server/${name}.ts`,
    ),
    ...['record', 'source', 'view'].map((name) => `src/agent/devices/${name}.ts`),
    'src/agent/telemetry/throttle-bits.ts',
  ],
  'src/agent/health/': [
    'src/daemon/',
    ...['absence', 'backoff', 'pci', 'record', 'source', 'view'].map((name) => `src/agent/devices/${name}.ts`),
  ],
  'src/agent/identity/': ['src/agent/devices/record.ts', 'src/agent/devices/view.ts'],
  'src/agent/telemetry/': ['src/agent/devices/record.ts', 'src/agent/devices/source.ts', 'src/agent/devices/view.ts'],
  'src/agent/': ['src/wire/', 'src/daemon/', 'src/cache-server/', 'src/broker-client/'],
  'src/broker-client/': ['src/wire/', 'src/daemon/'],
  'src/api/': [],
  'src/proof/': [],
  // What figures are worth: everybody may know.
  'src/score/': [],
  'src/client/': ['src/api/'],
  'src/broker/storage/': ['src/daemon/'],
  'src/broker/tls/': ['src/daemon/'],
  'src/broker/events/': [...brokerGround, 'src/broker/identity/visible-providers.ts'],
  'src/broker/identity/': [...brokerGround, 'src/broker/redis.ts'],
  'src/broker/incidents/': [...brokerGround, 'src/broker/events/', 'src/broker/identity/'],
  'src/broker/alerts/': [...brokerGround, 'src/broker/identity/'],
  'src/broker/registry/': [...brokerGround, 'src/broker/events/', 'src/broker/identity/', 'src/broker/incidents/'],
  'src/broker/telemetry/': [...brokerGround, 'src/broker/identity/', 'src/broker/registry/'],
  'src/broker/engine/': [],
  'src/broker/commit/': [...brokerGround, 'src/broker/engine/'],
  'src/broker/billing/': [...brokerGround, 'src/broker/engine/', 'src/broker/commit/', 'src/broker/identity/'],
  'src/broker/market/': [
    ...brokerGround,
    'src/broker/commit/',
    'src/broker/engine/',
    'src/broker/events/',
    'src/broker/identity/',
    'src/broker/registry/',
  ],
  'src/broker/verification/': [
    ...brokerGround,
    'src/broker/events/',
    'src/broker/identity/',
    'src/broker/incidents/',
    'src/broker/registry/',
    'src/proof/',
    'src/score/',
  ],
  'src/broker/jobs/': [...brokerGround, 'src/broker/identity/', 'src/broker/telemetry/', 'src/broker/verification/'],
  'src/broker/api/': [
    ...brokerGround,
    'src/broker/alerts/',
    'src/broker/billing/',
    'src/broker/commit/contract.ts',
    'src/broker/database-refusals.ts',
    'src/broker/engine/',
    'src/broker/events/',
    'src/broker/identity/',
    'src/broker/incidents/',
    'src/broker/market/',
    'src/broker/redis.ts',
    'src/broker/registry/',
    'src/broker/telemetry/',
    'src/broker/verification/',
    'src/score/figures.ts',
  ],
  'src/broker/': ['src/wire/', 'src/daemon/', 'src/api/'],
  'src/device-plugin/': ['src/wire/', 'src/daemon/'],
  'src/up/': ['src/daemon/', 'src/agent/', 'src/client/'],
  'src/cli/': [
    'src/wire/',
    'src/daemon/',
    'src/api/',
    'src/client/',
    'src/agent/main.ts',
    'src/agent/devices/absence.ts',
    'src/agent/devices/record.ts',
    'src/agent/devices/simulated/faults.ts',
    'src/agent/verification/',
    'src/proof/',
    'src/score/',
    'src/cache-server/main.ts',
    'src/device-plugin/main.ts',
    'src/broker/billing/ledger.ts',
    'src/broker/commit/administration.ts',
    'src/broker/main.ts',
    'src/broker/storage/',
    'src/up/up.ts',
  ],
};

/** The rule of the innermost folder. */
function ruleOf(path: string): [folder: string, allowed: string[]] {
  const folders = Object.keys(mayImport).filter((folder) => path.startsWith(folder));
  const folder = folders.sort((a, b) => b.length - a.length)[0] ?? '';
  return [folder, mayImport[folder] ?? []];
}

describe('imports', () => {
  test('every folder of src/ has a rule', () => {
    expect(sources.filter((path) => ruleOf(path)[0] === '')).toEqual([]);
  });

  test('keep to the rules', () => {
    const broken = sources.flatMap((path) => {
      const [folder, allowed] = ruleOf(path);
      return importsOf(path)
        .filter((target) => ![folder, ...allowed].some((prefix) => target.startsWith(prefix)))
        .map((target) => `${path} imports ${target}`);
    });
    expect(broken).toEqual([]);
  });

  test.each([
    // One file a foreign library.
    ['koffi', 'src/agent/**/library.ts'],
    ['@fastify/', 'src/broker/api/http/'],
    ['fastify', 'src/broker/api/http/'],
    ['graphile-worker', 'src/broker/jobs/'],
    ['ioredis', 'src/broker/redis.ts'],
    ['nodemailer', 'src/broker/alerts/channels/email.ts'],
    ['openid-client', 'src/broker/identity/oidc.ts'],
    ['kysely', 'src/broker/'],
    ['pg', 'src/broker/'],
  ])('nobody imports %s outside of %s', (name, place) => {
    const isIt = (found: string) => found === name || (name.endsWith('/') && found.startsWith(name));
    const importing = sources.filter((path) => packagesOf(path).some(isIt));
    expect(importing.length).toBeGreaterThan(0);
    expect(importing.filter((path) => !matchesGlob(path, place.endsWith('/') ? `${place}**` : place))).toEqual([]);
  });

  test('form no circle', () => {
    const done = new Set<string>();
    const visit = (path: string, trail: string[]): string[] => {
      if (trail.includes(path)) return [[...trail.slice(trail.indexOf(path)), path].join(' → ')];
      if (done.has(path) || !path.startsWith('src/') || path.startsWith('src/wire/')) return [];
      const circles = staticImportsOf(path).flatMap((target) => visit(target, [...trail, path]));
      done.add(path);
      return circles;
    };
    expect(sources.flatMap((path) => visit(path, []))).toEqual([]);
  });
});

/** Imports that exist when the program runs: not those of types alone. */
function staticImportsOf(path: string): string[] {
  const found = textOf(path).matchAll(/^(?:import|export)\s+(?!type\b)[^;]*?from\s*'(\.[^']+)'/gm);
  return [...found].map(([, target = '']) => normalize(join(dirname(path), target)));
}

describe('every file', () => {
  test('opens with a line that says its one job', () => {
    expect(written.filter((path) => !textOf(path).startsWith('// '))).toEqual([]);
  });

  test('has a name that says something', () => {
    expect(written.filter((path) => /(^|[/-])(utils?|helpers?|managers?|misc|common)\b/.test(path))).toEqual([]);
  });

  test('names no machine of ours and no registry', () => {
    const forbidden = new RegExp(['/wo' + 'rk/', 'registry\\.np' + 'mjs', 'deb\\.deb' + 'ian'].join('|'));
    const all = globSync('{src,test,bench,scripts,docs,proto,bin,.ci}/**/*', { cwd: root, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const named = [...all, ...['README.md', 'Makefile', 'package.json', 'build.ts'].map((name) => join(root, name))];
    expect(named.filter((path) => forbidden.test(readFileSync(path, 'utf8')))).toEqual([]);
  });
});
