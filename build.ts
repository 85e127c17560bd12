// Bundles the program: dist/gpubroker.js, the command with both daemons, dist/probe.js, the probe process, dist/measure.js,
// the measuring process, with the kernels that it compiles, and dist/verifier-worker.js, a thread of the broker.
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const manifest: { version: string; dependencies: Record<string, string> } = JSON.parse(
  readFileSync('package.json', 'utf8'),
);

// What the daemons of a node and the command line load, so that they start fast and stay small. The other packages
// stay in node_modules: koffi, whose binary lies next to it, and what the broker alone uses.
const bundled = ['@bufbuild/protobuf', '@grpc/grpc-js', 'commander', 'pino', 'prom-client', 'yaml', 'yargs'];
const external = Object.keys(manifest.dependencies)
  .filter((name) => !bundled.includes(name))
  .flatMap((name) => [name, `${name}/*`]);

// Packages in CommonJS that were bundled still call `require` for Node's own modules.
const banner = `import { createRequire as gpubrokerCreateRequire } from 'node:module';
const require = gpubrokerCreateRequire(import.meta.url);`;

rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: {
    gpubroker: 'src/cli/main.ts',
    probe: 'src/agent/devices/probe.ts',
    measure: 'src/agent/verification/measure.ts',
    'verifier-worker': 'src/broker/verification/verifier-worker.ts',
  },
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  // Each command loads only what it needs, which is most of the time it takes to start. The pieces lie beside
  // probe.js, for code finds it by its own place.
  splitting: true,
  // The text of a program is kept in memory as long as it runs. Names stay, for stack traces.
  minifySyntax: true,
  minifyWhitespace: true,
  lineLimit: 160,
  sourcemap: 'external',
  external,
  banner: { js: banner },
  define: { GPUBROKER_VERSION: JSON.stringify(manifest.version) },
  logLevel: 'warning',
});
cpSync('src/agent/verification/kernels', 'dist/kernels', { recursive: true });
