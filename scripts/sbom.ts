// Writes dist/sbom.cdx.json: the packages that the program needs, on every platform, as npm reads them from the lock file.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

interface Component {
  readonly 'bom-ref': string;
  readonly properties?: readonly { readonly name: string }[];
}

interface Dependency {
  readonly ref: string;
  readonly dependsOn: readonly string[];
}

const list = ['sbom', '--package-lock-only', '--sbom-format=cyclonedx', '--sbom-type=application'];
const bom = JSON.parse(execFileSync('npm', list, { encoding: 'utf8', maxBuffer: 64 << 20 }));

// Not by npm's --omit=dev, which also leaves out what both the program and its tests depend on.
const isTool = ({ properties = [] }: Component) =>
  properties.some(({ name }) => name === 'cdx:npm:package:development');
bom.components = (bom.components as Component[]).filter((component) => !isTool(component));
const kept = new Set([...(bom.components as Component[]), bom.metadata.component].map((one) => one['bom-ref']));
bom.dependencies = (bom.dependencies as Dependency[])
  .filter(({ ref }) => kept.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => kept.has(other)) }));
// npm calls it by its folder.
bom.metadata.component.name = JSON.parse(readFileSync('package.json', 'utf8')).name;

mkdirSync('dist', { recursive: true });
writeFileSync('dist/sbom.cdx.json', `${JSON.stringify(bom, null, 2)}\n`);
