// Two brokers on one server of somebody else's: one leads, one stands by; who loses the lead ends, and the other leads.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createTestDatabase } from '../fixtures/database.ts';
import { onServer } from '../fixtures/postgres.ts';

const program = join(import.meta.dirname, '../../src/cli/main.ts');
const wait = { timeout: 30_000, interval: 50 };

/** A broker in a data folder that is not there yet. */
function startBroker(url: string, dataFolder: string) {
  const addresses = ['http', 'node-link', 'metrics'].map((name) => `--${name}-address=127.0.0.1:0`);
  const child = spawn(process.execPath, [program, 'broker', `--data-dir=${dataFolder}`, ...addresses], {
    env: { ...process.env, GPUBROKER_DATABASE_URL: url },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let log = '';
  child.stdout.on('data', (text) => {
    log += text;
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const lines = () => log.split('\n').flatMap((line) => (line.startsWith('{') ? JSON.parse(line) : []));
  const said = (text: string) => vi.waitFor(() => expect(lines().map(({ msg }) => msg)).toContain(text), wait);
  const ready = async () => {
    const port = lines().find(({ msg }) => msg === 'serving metrics')?.port;
    return (await fetch(`http://127.0.0.1:${port}/readyz?verbose`)).text();
  };
  return { child, exited, lines, said, ready };
}

test('a standby says that it is one; it leads as soon as the leader has lost its session, which ends with 1', async () => {
  const { url, drop } = await createTestDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'gpubroker-leader-'));
  onTestFinished(async () => {
    rmSync(folder, { recursive: true, force: true });
    await drop();
  });
  const first = startBroker(url, join(folder, 'first', 'data'));
  await first.said('started');
  expect(existsSync(join(folder, 'first/data/admin-api-key'))).toBe(true);
  const second = startBroker(url, join(folder, 'second', 'data'));
  await vi.waitFor(
    async () => expect(await second.ready()).toContain('[-]leadership reason: another broker leads'),
    wait,
  );
  await onServer(
    url,
    `select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = 'gpubroker leader' and datname = current_database()
       and pid in (select pid from pg_locks where locktype = 'advisory' and granted)`,
  );
  expect(await first.exited).toBe(1);
  expect(first.lines().find(({ level }) => level === 'fatal')?.err.code).toBe('GPUB_LEADERSHIP_ENDED');
  await second.said('started');
  expect(await second.ready()).toContain('[+]leadership ok');
  second.child.kill('SIGTERM');
  expect(await second.exited).toBe(0);
}, 60_000);
