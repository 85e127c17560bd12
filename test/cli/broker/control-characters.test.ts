// Names and reasons that others choose never steer the operator's terminal, nor forge a line.
import { expect, test } from 'vitest';
import { sharedBroker } from './broker.ts';
import { addFleet, addIncident, type Fleet } from './supply.ts';

const evil = 'a\u001b[2Jb\u001b]0;title\u0007c\u009b31m\u202e';
const forged = `${evil}\ngpubroker: all is well`;
let fleet: Fleet;
let incident = '';
const broker = sharedBroker(async (served) => {
  fleet = await addFleet(served);
  incident = await addIncident(served, fleet.hopper, forged);
  const { pool } = served.database;
  await pool.query('update providers set name = $1::text || id, company = $2, status_reason = $2', [evil, forged]);
  await pool.query('update clusters set name = $1', [evil]);
  await pool.query('update nodes set status_reason = $1', [forged]);
  await pool.query('update gpus set model = $1, product = null', [forged]);
  await pool.query('update gpu_conditions set message = $1', [forged]);
});

const commands = (): string[][] => [
  ['providers', 'list'],
  ['providers', 'get', fleet.hopper.providerId],
  ['providers', 'verify', fleet.hopper.providerId],
  ['clusters', 'list'],
  ['nodes', 'list'],
  ['nodes', 'get', fleet.ada.nodeId],
  ['gpus', 'search'],
  ['gpus', 'show', fleet.ada.gpu],
  ['incidents', 'list'],
  ['incidents', 'get', incident],
  ['incidents', 'acknowledge', incident],
  ['incidents', 'close', incident, '--reason', forged],
];

test('not in tables, not in sentences, not in JSON', async () => {
  for (const words of commands()) {
    for (const json of [[], ['--json']]) {
      const { code, stdout, stderr } = await broker().as('admin', ...words, ...json);
      // What is closed already cannot be closed again.
      expect(code, stderr).toBe(words.includes('close') && json.length > 0 ? 1 : 0);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come out
      expect(stdout + stderr, words.join(' ')).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
      expect(stdout, words.join(' ')).not.toMatch(/^gpubroker: all is well/m);
    }
  }
});

test('not in errors', async () => {
  const { code, stderr } = await broker().as('admin', 'providers', 'get', evil);
  expect(code).toBe(2);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come out
  expect(stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
});
