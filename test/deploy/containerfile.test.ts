// The images: what is in them, and that their very commands start, as their users, without a capability.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testWith } from '../capabilities.ts';
import { type Image, ImageBuild, instructionsOf } from '../fixtures/image.ts';

const root = join(import.meta.dirname, '..', '..');
const containerfile = join(root, 'deploy', 'Containerfile');
const text = readFileSync(containerfile, 'utf8');

const nobody = 65_534;

let build: ImageBuild;
let state: string;
beforeAll(() => {
  build = new ImageBuild(containerfile);
  state = mkdtempSync(join(tmpdir(), 'gpubroker-state-'));
  execFileSync('chmod', ['0755', state]);
});
afterAll(() => {
  build.remove();
  rmSync(state, { recursive: true, force: true });
});

/** The command by which an engine would start the image, as a user without any capability. */
function commandOf(image: Image, args: readonly string[], user = image.user): [string, string[]] {
  const [uid = '', gid = ''] = user.split(':');
  const [program = '', ...rest] = [...image.entrypoint, ...args];
  const identity = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
  const rights = ['--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'];
  return ['setpriv', [...identity, ...rights, join(image.folder, program), ...rest]];
}

/** The image's environment; of the machine, only what a base system has. */
function environmentOf(image: Image): NodeJS.ProcessEnv {
  const path = (image.env.PATH ?? '').split(':').map((folder) => (/bin$/.test(folder) ? folder : ''));
  return { ...image.env, PATH: [...path.map((folder) => join(image.folder, folder)), '/usr/bin', '/bin'].join(':') };
}

/** Runs the rest of its words where the root file system cannot be written to, but for one folder. */
const readOnlyRoot = `
  mount --bind "$1" "$1"
  mount --options remount,ro,bind /
  shift
  exec "$@"
`;

interface Start {
  readonly user?: string;
  readonly readOnly?: boolean;
}

function start(image: Image, flags: readonly string[], { user, readOnly = false }: Start = {}) {
  const [setpriv, rest] = commandOf(image, [...image.cmd, ...flags], user);
  const wrapper = readOnly ? ['unshare', '--mount', 'sh', '-euc', readOnlyRoot, 'sh', state] : [];
  const [program = '', ...args] = [...wrapper, setpriv, ...rest];
  const child = spawn(program, args, { env: environmentOf(image), cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => output.push(String(data)));
  return { child, output };
}

function run(image: Image, args: readonly string[], user?: string): string {
  const [program, words] = commandOf(image, args, user);
  return execFileSync(program, words, { env: environmentOf(image), encoding: 'utf8', stdio: 'pipe', timeout: 20_000 });
}

/** A folder that belongs to the user, as the chart's init container or a volume gives it. */
function ownFolder(name: string, user = 65_532): string {
  const folder = join(state, name);
  mkdirSync(folder, { mode: 0o755 });
  chownSync(folder, user, user);
  return folder;
}

/** Empty where there is no such file. */
function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode;
  const code = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  return code;
}

test('the base is one that the tests run on', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'node_modules/node/package.json'), 'utf8'));
  expect(text).toContain(`ARG NODE_VERSION=${version}\n`);
  const bases = instructionsOf(text).flatMap(({ name, text: base }) => (name === 'FROM' ? [base.split(' ')[0]] : []));
  expect([...new Set(bases)]).toEqual([expect.stringMatching(/^\$\{BASE\}$/), 'common']);
});

test('the node image has the program and foreign functions, and nothing else', () => {
  const { folder } = build.target('node');
  const opt = join(folder, 'opt/gpubroker');
  expect(readdirSync(opt).toSorted()).toEqual(['LICENSE', 'bin', 'dist', 'node_modules']);
  expect(readdirSync(join(opt, 'node_modules')).toSorted()).toEqual(['@koromix', 'koffi']);
});

test('the broker image has every package that the program needs, and none that builds or tests it', () => {
  const packages = join(build.target('broker').folder, 'opt/gpubroker/node_modules');
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const missing = (names: readonly string[]) => names.filter((name) => !existsSync(join(packages, name)));
  expect(missing(Object.keys(dependencies))).toEqual([]);
  const tools = ['@aws-cdk', '@biomejs', 'esbuild', 'kubernetes-models', 'node', 'typescript', 'vite', 'vitest'];
  expect(missing(tools)).toEqual(tools);
});

test.each(['node', 'broker'])('the %s image runs as an ordinary user', (target) => {
  expect(build.target(target).user).toBe('65532:65532');
});

testWith('root', 'mount')('the node image serves GPUs, on a root file system that cannot be written to', async () => {
  const image = build.target('node');
  const socket = join(ownFolder('device-api'), 'device.sock');
  const paths = ['--unix-socket', socket, '--data-dir', ownFolder('node')];
  const ports = ['--grpc-address', '', '--health-port', '0', '--metrics-port', '0', '--shutdown-delay', '0s'];
  const { child, output } = start(image, [...paths, ...ports, '--sources', 'simulated'], { readOnly: true });
  try {
    await expect.poll(() => output.join(''), { timeout: 15_000 }).toContain('source state changed');
    // As the chart's device plugin: root without capabilities, in the agent's group.
    const list = JSON.parse(run(image, ['gpus', 'list', '--json', '--socket', socket], '0:65532'));
    expect(JSON.stringify(list)).toContain('gpu-51');
    // Somebody in no such group.
    expect(() => run(image, ['gpus', 'list', '--socket', socket], '1234:1234')).toThrow('GPUB_DAEMON_DENIED');
  } finally {
    expect(await ended(child), output.join('')).toBe(0);
  }
});

testWith('root')('the node image has no broker, and says so', () => {
  expect(() => run(build.target('node'), ['broker'])).toThrow('GPUB_PACKAGE_MISSING');
});

testWith('root')(
  'the broker image serves, on a PostgreSQL of its own',
  async () => {
    const image = build.target('broker');
    const addresses = ['http', 'node-link', 'metrics'].flatMap((name) => [`--${name}-address`, '127.0.0.1:0']);
    // PostgreSQL wants a user of /etc/passwd: the image makes one, and of this machine's it is nobody.
    const data = ownFolder('broker', nobody);
    const { child, output } = start(image, ['--data-dir', data, ...addresses], { user: `${nobody}:${nobody}` });
    try {
      // Written bit by bit.
      const endpoints = () => {
        const whole = /^\{.*\}\s*$/s.exec(textOf(join(data, 'endpoints.json')))?.[0];
        return whole ? JSON.parse(whole) : { ended: child.exitCode !== null };
      };
      await expect.poll(endpoints, { timeout: 60_000 }).not.toEqual({ ended: false });
      const { http_url: url } = endpoints();
      const answer = await fetch(`${url}/health`);
      expect(await answer.json()).toMatchObject({ status: 'healthy' });
    } finally {
      expect(await ended(child), output.join('')).toBe(0);
    }
  },
  90_000,
);
