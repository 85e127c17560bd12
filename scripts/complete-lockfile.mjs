// Completes package-lock.json after an install from a registry mirror that carries no packages of foreign
// platforms: `npm ci` refuses a lock file without them, though it would never download them here.
import { readFileSync, writeFileSync } from 'node:fs';

const systems = ['linux', 'darwin', 'win32', 'android', 'freebsd', 'openbsd', 'netbsd', 'sunos', 'aix', 'openharmony'];
const processors = ['x64', 'arm64', 'arm', 'ia32', 'ppc64', 's390x', 'riscv64', 'loong64', 'mips64el', 'wasm32'];
const aliases = {
  armv7: 'arm',
  aarch64: 'arm64',
  windows: 'win32',
  linuxmusl: 'linux',
  ppc64le: 'ppc64',
  riscv64d: 'riscv64',
  loongarch64: 'loong64',
  mac: 'darwin',
  musl: 'linux',
};

/** The `os` and `cpu` fields that the package's own manifest would carry, read off its name. */
function platformOf(name) {
  const words = name.split(/[-/]/).map((word) => aliases[word] ?? word);
  return {
    os: systems.filter((system) => words.includes(system)),
    cpu: processors.filter((processor) => words.includes(processor)),
  };
}

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
let added = 0;
for (const [place, entry] of Object.entries(lock.packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${place}/node_modules/${name}`;
    if (place === '' || lock.packages[nested] || lock.packages[`node_modules/${name}`]) continue;
    const { os, cpu } = platformOf(name);
    if (os.length === 0 && cpu.length === 0) throw new Error(`cannot tell the platform of ${name}`);
    lock.packages[`node_modules/${name}`] = {
      version: range.replace(/^[\^~]/, ''),
      ...(cpu.length > 0 && { cpu }),
      ...(entry.dev && { dev: true }),
      optional: true,
      ...(os.length > 0 && { os }),
    };
    added += 1;
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added} packages of foreign platforms added`);
