// The log of a real process: nothing is lost when it dies, and a reader that goes away does not end it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const logger = fileURLToPath(new URL('../../src/daemon/logger.ts', import.meta.url));
const createLog = `const { createLog } = await import(${JSON.stringify(logger)});
  const { log } = createLog({ daemon: 'agent', node: 'n', level: 'info', format: 'json' });`;

function run(script: string) {
  return spawn(process.execPath, ['--input-type=module', '--eval', createLog + script], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

test.each([
  ['process.exit', 'process.exit(7)'],
  ['SIGKILL', "process.kill(process.pid, 'SIGKILL'); await new Promise(() => {})"],
])('every line is written before %s', async (_name, end) => {
  const child = run(`for (let i = 0; i < 1000; i++) log.info({ i }, 'line'); ${end}`);
  const lines = (await text(child.stdout)).trim().split('\n');
  expect(lines).toHaveLength(1000);
  expect(JSON.parse(lines[999] ?? '')).toMatchObject({ i: 999 });
});

test('a closed pipe does not end the process', async () => {
  const child = run("process.stdin.once('data', () => { log.info('unread'); log.info('unread'); process.exit(7); });");
  child.stdout.destroy();
  child.stdin.write('go');
  const [code] = await once(child, 'exit');
  expect(code).toBe(7);
});
