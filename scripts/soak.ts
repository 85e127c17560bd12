// Runs the tests with their full counts and keeps what they printed, dated, under docs/measurements/: all of them, or
// those of a part, `node scripts/soak.ts NAME PATH…`.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';

const started = new Date();
const [part, ...paths] = process.argv.slice(2);
const { stdout, stderr, status } = spawnSync('vitest', ['run', '--reporter=verbose', '--no-color', ...paths], {
  env: { ...process.env, SOAK: '1', NO_COLOR: '1' },
  encoding: 'utf8',
  maxBuffer: 256 * 1024 * 1024,
});
const minutes = ((Date.now() - started.getTime()) / 60_000).toFixed(1);
const date = started.toISOString().slice(0, 10);
const path = `docs/measurements/${date}-soak${part === undefined ? '' : `-${part}`}.txt`;
const command = part === undefined ? 'make soak' : ['node scripts/soak.ts', part, ...paths].join(' ');
const head = [
  `${command}, ${started.toISOString()}, ${minutes} minutes, exit status ${status}`,
  `${cpus().length} × ${cpus()[0]?.model}, Linux ${release()}, Node ${process.version}`,
];
mkdirSync('docs/measurements', { recursive: true });
writeFileSync(path, `${head.join('\n')}\n\n${stdout.replaceAll(process.cwd(), '.')}`);
process.stdout.write(stdout);
process.stderr.write(stderr);
console.log(`written to ${path}`);
process.exitCode = status ?? 1;
