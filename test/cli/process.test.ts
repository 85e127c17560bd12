// The command as a process: the launcher, pipes that break, colours, daemon arguments.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { version } from '../../src/daemon/version.ts';
import { gpu, type NodeServer, startNodeServer } from './node-server.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'src/cli/main.ts');
let node: NodeServer;
let folder: string;

beforeAll(async () => {
  node = await startNodeServer();
  for (let i = 0; i < 50; i++) node.put(gpu(`gpu-${i}`, 'Ready=True'));
  folder = mkdtempSync(join(tmpdir(), 'install-'));
});

afterAll(() => {
  node.stop();
  rmSync(folder, { recursive: true });
});

function run(file: string, argv: string[], env: NodeJS.ProcessEnv = process.env, cwd = root) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(file, argv, { env, cwd }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

test('version', async () => {
  expect(await run(process.execPath, [main, 'version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  expect(await run(process.execPath, [main, '--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
});

test('a reader that has seen enough ends it quietly', async () => {
  const child = spawn(process.execPath, [main, 'gpus', 'list', '--socket', node.socket]);
  child.stdout.destroy();
  const [[code], stderr] = await Promise.all([once(child, 'exit'), text(child.stderr)]);
  expect([code, stderr]).toEqual([0, '']);
});

test('colours only where they are wanted', async () => {
  const list = [main, 'gpus', 'list', '--socket', node.socket];
  const { NO_COLOR: _none, FORCE_COLOR: _forced, ...env } = process.env;
  expect((await run(process.execPath, list, env)).stdout).not.toContain('\u001b[');
  expect((await run(process.execPath, list, { ...env, FORCE_COLOR: '1' })).stdout).toContain('\u001b[32mhealthy');
  expect((await run(process.execPath, list, { ...env, NO_COLOR: '1' })).stdout).not.toContain('\u001b[');
});

test('daemons get their arguments untouched', async () => {
  const help = await run(process.execPath, [main, 'cache-server', '--help']);
  expect(help.stdout).toContain('Usage: gpubroker cache-server [options]');
  const wrong = await run(process.execPath, [main, 'agent', '--health-port', 'x']);
  expect([wrong.code, wrong.stderr.split('\n').length]).toEqual([2, 2]);
});

describe('the launcher', () => {
  /** An installation whose program prints its arguments and Node's. */
  function install(name: string, parts: { program?: boolean; node?: string } = {}): string {
    const place = join(folder, name);
    mkdirSync(join(place, 'bin'), { recursive: true });
    cpSync(join(root, 'bin/gpubroker'), join(place, 'bin/gpubroker'));
    if (parts.program ?? true) {
      mkdirSync(join(place, 'dist'));
      writeFileSync(
        join(place, 'dist/gpubroker.js'),
        'console.log(JSON.stringify([process.argv.slice(2), process.execArgv]))',
      );
    }
    if (parts.node) script(join(place, 'path'), parts.node);
    return join(place, 'bin/gpubroker');
  }

  /** Puts a `node` that is this shell script into the folder. */
  function script(place: string, body: string): void {
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, 'node'), `#!/bin/sh\n${body}\n`);
    chmodSync(join(place, 'node'), 0o755);
  }

  const real = `exec ${process.execPath} "$@"`;

  test('passes arguments on, through symbolic links', async () => {
    const program = install('linked', { node: real });
    const link = join(folder, 'link');
    const relative = join(folder, 'relative');
    symlinkSync(program, link);
    symlinkSync('link', relative);
    const env = { ...process.env, PATH: `${join(folder, 'linked/path')}:/usr/bin:/bin` };
    const { stdout } = await run(relative, ['gpus', 'get', 'a b', ''], env);
    expect(JSON.parse(stdout)).toEqual([['gpus', 'get', 'a b', ''], []]);
  });

  test('finds itself where the shell has a CDPATH', async () => {
    install('cd', { node: real });
    const env = { ...process.env, CDPATH: root, PATH: `${join(folder, 'cd/path')}:/usr/bin:/bin` };
    const { code, stdout, stderr } = await run('sh', ['bin/gpubroker', 'version'], env, join(folder, 'cd'));
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toEqual([['version'], []]);
  });

  test.each(['agent', 'cache-server', 'up'])('gives %s flags that save memory, which Node accepts', async (name) => {
    const program = install(`memory-${name}`, { node: real });
    const env = { ...process.env, PATH: `${join(folder, `memory-${name}`, 'path')}:/usr/bin:/bin` };
    const { stdout, stderr } = await run(program, [name, '--help'], env);
    expect(stderr).toBe('');
    const [argv, nodeFlags] = JSON.parse(stdout);
    expect(argv).toEqual([name, '--help']);
    expect(nodeFlags).toContain('--single-threaded-gc');
  });

  test("prefers the project's own Node", async () => {
    const program = install('own');
    script(join(folder, 'own/node_modules/node/bin'), 'echo own');
    expect((await run(program, ['version'])).stdout).toBe('own\n');
  });

  test.each([
    ['old', 'echo v20.20.2', 'is v20.20.2: install Node.js 24 or newer'],
    ['before its time', 'echo v23.11.1', 'is v23.11.1: install Node.js 24 or newer'],
    ['broken', 'exit 1', 'is broken: install Node.js 24 or newer'],
  ])('refuses a Node that is %s', async (name, body, expected) => {
    const program = install(name, { node: body });
    const env = { ...process.env, PATH: `${join(folder, name, 'path')}:/usr/bin:/bin` };
    const { code, stderr } = await run(program, ['version'], env);
    expect(code).toBe(1);
    expect(stderr).toContain(expected);
  });

  test('says which package is missing where only those of a node are installed', async () => {
    const program = install('node-only', { program: false });
    cpSync(join(root, 'dist'), join(folder, 'node-only/dist'), { recursive: true });
    const env = { ...process.env, PATH: `${dirname(process.execPath)}:/usr/bin:/bin` };
    const { code, stderr } = await run(program, ['broker', '--data-dir', join(folder, 'none')], env);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^gpubroker: the package \S+ is not installed here \[GPUB_PACKAGE_MISSING\]\n {2}Run `npm ci`/,
    );
  });

  test('says how to build what is missing', async () => {
    const program = install('unbuilt', { program: false, node: real });
    const env = { ...process.env, PATH: `${join(folder, 'unbuilt/path')}:/usr/bin:/bin` };
    const { code, stderr } = await run(program, ['version'], env);
    expect([code, stderr]).toEqual([1, expect.stringContaining('run `make build`')]);
  });
});
