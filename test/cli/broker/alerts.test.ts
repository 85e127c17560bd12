// `gpubroker alerts`: rules from files, and what is wrong with a file.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { emptyHome, sharedBroker } from './broker.ts';

const broker = sharedBroker();
const secret = 'a secret that signs what is sent';
const rule = `
name: offline nodes
condition: { type: incident, kinds: [node-offline], min_severity: warning }
channels:
  - { type: webhook, url: "http://127.0.0.1:1/hook", secret: "${secret}" }
`;

function file(text: string): string {
  const path = join(emptyHome(), 'rule.yaml');
  writeFileSync(path, text);
  return path;
}

test('a rule is made from YAML, shown, changed, muted, tried and deleted', async () => {
  const { as, json } = broker();
  const made = await as('provider', 'alerts', 'add-rule', file(rule));
  expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Made rule offline nodes: \S+\n$/) });
  const [, id = ''] = /: (\S+)/.exec(made.stdout) ?? [];
  const list = await as('provider', 'alerts', 'rules');
  expect(list.stdout).toMatch(
    /^ID +NAME +WHEN +CHANNELS +ENABLED\n\S+ +offline nodes +incident node-offline +webhook +yes\n$/,
  );
  const shown = await as('provider', 'alerts', 'get-rule', id);
  expect(shown.stdout).toMatch(/^name +offline nodes$/m);
  expect(shown.stdout + list.stdout).not.toContain(secret);

  expect((await as('provider', 'alerts', 'change-rule', id, file('name: away'))).stdout).toBe('Changed rule away.\n');
  expect((await as('provider', 'alerts', 'mute-rule', id, '--lasting', '2h')).stdout).toMatch(
    /^away is muted until \S+Z\.\n$/,
  );
  expect((await as('provider', 'alerts', 'rules')).stdout).toContain('muted until');
  expect((await as('provider', 'alerts', 'unmute-rule', id)).stdout).toBe('away is not muted.\n');
  const tried = await as('provider', 'alerts', 'test-rule', id);
  expect(tried).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^CHANNEL +OUTCOME +ERROR\nwebhook +failed +\S/),
  });
  expect((await as('provider', 'alerts', 'delete-rule', id)).stdout).toBe(`Deleted rule ${id}.\n`);
  expect(await json('provider', 'alerts', 'rules')).toEqual({ items: [] });
  expect(await as('provider', 'alerts', 'list')).toMatchObject({ code: 0, stderr: 'No alert is firing.\n' });
});

test.each([
  ['no YAML', 'name: [', 2, 'rule.yaml: '],
  ['no rule', 'just a text', 2, 'holds no rule'],
  ['an empty file', '', 2, 'holds no rule'],
  ['a rule without a name', rule.replace('name: offline nodes', ''), 2, 'body'],
  ['a field that is unknown', `${rule}\nloud: true\n`, 2, 'body'],
])('%s', async (_what, text, code, said) => {
  const outcome = await broker().as('provider', 'alerts', 'add-rule', file(text));
  expect(outcome).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(said) });
  expect(outcome.stderr.trimEnd().split('\n')).toHaveLength(2);
  expect(outcome.stderr).not.toContain(secret);
});

test('a file that is not there', async () => {
  const outcome = await broker().as('provider', 'alerts', 'add-rule', '/nonexistent.yaml');
  expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining('/nonexistent.yaml: ENOENT') });
});
