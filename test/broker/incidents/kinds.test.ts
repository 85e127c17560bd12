// The table of kinds and docs/alerts.md say the same.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { incidentKind, incidentKinds, incidentTitle } from '../../../src/broker/incidents/kinds.ts';

test('every kind stands in docs/alerts.md as it is', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/alerts.md'), 'utf8');
  const rows = Object.entries(incidentKinds).map(
    ([kind, { severity, class: group, runbook }]) => `| \`${kind}\` | ${severity} | ${group} | ${runbook} |`,
  );
  expect(rows.filter((row) => !page.includes(`\n${row}\n`))).toEqual([]);
});

test('a kind that is not in the table has a title and a next step too', () => {
  expect(incidentTitle('strange-thing', 'node 7')).toBe('node 7: strange-thing');
  expect(incidentKind('strange-thing')).toMatchObject({ severity: 'warning', runbook: 'See the details.' });
  expect(incidentTitle('node-offline', 'node 7')).toBe('node 7 is offline');
});
