// The list of what the program is made of: whole, and without what only builds and tests it.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

test('names the program and every package that it needs, with version, licence and hash', () => {
  execFileSync('npm', ['run', '--silent', 'sbom'], { cwd: root, stdio: 'pipe', timeout: 60_000 });
  const bom = JSON.parse(readFileSync(join(root, 'dist', 'sbom.cdx.json'), 'utf8'));
  const { name, version, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(bom).toMatchObject({ bomFormat: 'CycloneDX', metadata: { component: { name, version } } });
  const components = new Map<string, { version: string; hashes?: unknown[]; licenses?: unknown[] }>(
    bom.components.map((component: { group?: string; name: string }) => [component.name, component]),
  );
  expect(Object.keys(dependencies).filter((wanted) => !components.has(wanted))).toEqual([]);
  expect([...components.keys()].filter((tool) => /^(?:vitest|typescript|@biomejs\/biome)$/.test(tool))).toEqual([]);
  for (const { dependsOn } of bom.dependencies)
    for (const ref of dependsOn)
      expect(bom.components.map((one: { 'bom-ref': string }) => one['bom-ref'])).toContain(ref);
  const incomplete = [...components].filter(([, component]) => !component.version || !component.hashes?.length);
  expect(incomplete.map(([component]) => component)).toEqual([]);
});
