// The Unix socket in the file system: who may connect, whose place it takes and whose it leaves.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newFolder, type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';

let folder: string;
const running: RunningCacheServer[] = [];
beforeEach(() => {
  folder = newFolder();
});
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(...flags: string[]): Promise<RunningCacheServer> {
  const server = await startCacheServer(flags, folder);
  running.push(server);
  return server;
}

function permissions(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

async function serves(server: RunningCacheServer): Promise<boolean> {
  return 'ok' in (await server.client.call('ListGpus', {}));
}

/** Leaves the socket of a process that was killed. */
async function leaveStaleSocket(path: string): Promise<void> {
  const program = join(folder, 'killed.mjs');
  writeFileSync(
    program,
    `import { createServer } from 'node:net'; createServer().listen(${JSON.stringify(path)}, () => process.send('up'));`,
  );
  const child = fork(program);
  await once(child, 'message');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(lstatSync(path).isSocket()).toBe(true);
}

async function listen(path: string): Promise<Server> {
  const server = createServer((connection) => connection.destroy());
  server.listen(path);
  await once(server, 'listening');
  return server;
}

describe('who may connect', () => {
  test('its folder is made with mode 0755, and the socket has mode 0660', async () => {
    const socket = join(folder, 'deep', 'down', 'device.sock');
    const server = await start('--unix-socket', socket);
    expect(permissions(dirname(socket))).toBe('755');
    expect(permissions(socket)).toBe('660');
    expect(await serves(server)).toBe(true);
  });

  test('both whatever the umask of the process is', async () => {
    const socket = join(folder, 'run', 'device.sock');
    const umask = process.umask(0o077);
    try {
      await start('--unix-socket', socket);
      expect(process.umask()).toBe(0o077);
    } finally {
      process.umask(umask);
    }
    expect(permissions(dirname(socket))).toBe('755');
    expect(permissions(socket)).toBe('660');
  });

  test('a folder that was there keeps its mode', async () => {
    const run = join(folder, 'run');
    mkdirSync(run);
    chmodSync(run, 0o700);
    await start('--unix-socket', join(run, 'device.sock'));
    expect(permissions(run)).toBe('700');
  });

  test('--socket-mode says who', async () => {
    const server = await start('--socket-mode', '0600');
    expect(permissions(server.socket)).toBe('600');
  });

  test('--socket-group says who, by number', async () => {
    const group = process.getuid?.() === 0 ? 4242 : (process.getgid?.() ?? 0);
    const server = await start('--socket-group', String(group));
    expect(statSync(server.socket).gid).toBe(group);
    expect(permissions(server.socket)).toBe('660');
  });

  test('--socket-group says who, by name', async () => {
    const [name = '', , gid] = (
      readFileSync('/etc/group', 'utf8')
        .split('\n')
        .find((line) => line.split(':')[2] === String(process.getgid?.())) ?? ''
    ).split(':');
    const server = await start('--socket-group', name);
    expect(statSync(server.socket).gid).toBe(Number(gid));
  });

  test('an unknown group is refused, and nothing is left behind', async () => {
    await expect(start('--socket-group', 'no-such-group')).rejects.toMatchObject({
      code: 'GPUB_GROUP_UNKNOWN',
      message: expect.stringContaining('no-such-group'),
    });
    expect(existsSync(join(folder, 'device.sock'))).toBe(false);
    expect(await serves(await start())).toBe(true);
  });

  test('nobody but this user before the mode and the group are set', async () => {
    // The socket appears under its name with everything set, or shut to everybody else.
    const socket = join(folder, 'device.sock');
    const seen = new Set<string>();
    let looking = true;
    const look = () => {
      if (!looking) return;
      for (const file of readdirSync(folder)) {
        const stats = lstatSync(join(folder, file), { throwIfNoEntry: false });
        if (stats?.isSocket()) seen.add((stats.mode & 0o777).toString(8));
      }
      setImmediate(look);
    };
    look();
    const umask = process.umask(0);
    try {
      await start();
    } finally {
      looking = false;
      process.umask(umask);
    }
    for (const mode of seen) expect(Number.parseInt(mode, 8) & 0o077 & ~0o060).toBe(0);
    expect(permissions(socket)).toBe('660');
  });
});

describe('whose place it takes', () => {
  test('that of a dead process', async () => {
    await leaveStaleSocket(join(folder, 'device.sock'));
    expect(await serves(await start())).toBe(true);
  });

  test('not that of a living process: GPUB_SOCKET_IN_USE, and that one serves on', async () => {
    const first = await start();
    await expect(start('--data-dir', join(folder, 'other'))).rejects.toMatchObject({
      code: 'GPUB_SOCKET_IN_USE',
      message: expect.stringContaining(first.socket),
    });
    expect(await serves(first)).toBe(true);
  });

  test('not that of a living process of another kind', async () => {
    const other = await listen(join(folder, 'device.sock'));
    await expect(start()).rejects.toMatchObject({ code: 'GPUB_SOCKET_IN_USE' });
    other.close();
  });

  test.each(['a file', 'a folder', 'a link to a file'])('not that of %s: GPUB_SOCKET_REFUSED', async (what) => {
    const socket = join(folder, 'device.sock');
    if (what === 'a folder') mkdirSync(socket);
    else writeFileSync(join(folder, what === 'a file' ? 'device.sock' : 'file'), 'precious');
    if (what === 'a link to a file') symlinkSync(join(folder, 'file'), socket);
    await expect(start()).rejects.toMatchObject({
      code: 'GPUB_SOCKET_REFUSED',
      message: expect.stringContaining(socket),
    });
    expect(existsSync(socket)).toBe(true);
  });

  test('none in a folder that is a file: GPUB_SOCKET_REFUSED', async () => {
    writeFileSync(join(folder, 'run'), '');
    await expect(start('--unix-socket', join(folder, 'run', 'device.sock'))).rejects.toMatchObject({
      code: 'GPUB_SOCKET_REFUSED',
    });
  });
});

describe('at the end', () => {
  test('it is removed, and its folder holds nothing more of it', async () => {
    const socket = join(folder, 'run', 'device.sock');
    const server = await start('--unix-socket', socket);
    await server.stop();
    expect(readdirSync(dirname(socket))).toEqual([]);
  });

  test('it is left when another process has taken its place', async () => {
    const server = await start();
    rmSync(server.socket);
    const other = await listen(server.socket);
    await server.stop();
    expect(existsSync(server.socket)).toBe(true);
    other.close();
  });

  test('a file that lies in its place is left', async () => {
    const server = await start();
    renameSync(server.socket, join(folder, 'moved'));
    writeFileSync(server.socket, 'precious');
    await server.stop();
    expect(readFileSync(server.socket, 'utf8')).toBe('precious');
  });

  test('a socket that somebody removed does no harm', async () => {
    const server = await start();
    rmSync(server.socket);
    await server.stop();
    expect(existsSync(server.socket)).toBe(false);
  });

  test('the place is free for the next, many times over', async () => {
    for (let i = 0; i < 5; i += 1) {
      const server = await start();
      expect(await serves(server)).toBe(true);
      await server.stop();
    }
  });
});
