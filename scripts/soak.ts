// Runs the tests with their full counts and keeps what they printed, dated, under docs/measurements/.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';

const started = new Date();
const { stdout, stderr, status } = spawnSync('vitest', ['run', '--reporter=verbose', '--no-color'], {
  env: { ...process.env, SOAK: '1', NO_COLOR: '1' },
  encoding: 'utf8',
  maxBuffer: 256 * 1024 * 1024,
});
const minutes = ((Date.now() - started.getTime()) / 60_000).toFixed(1);
const date = started.toISOString().slice(0, 10);
const path = `docs/measurements/${date}-soak.txt`;
const head = [
  `make soak, ${started.toISOString()}, ${minutes} minutes, exit status ${status}`,
  `${cpus().length} × ${cpus()[0]?.model}, Linux ${release()}, Node ${process.version}`,
];
mkdirSync('docs/measurements', { recursive: true });
writeFileSync(path, `${head.join('\n')}\n\n${stdout.replaceAll(process.cwd(), '.')}`);
process.stdout.write(stdout);
process.stderr.write(stderr);
console.log(`written to ${path}`);
process.exitCode = status ?? 1;
