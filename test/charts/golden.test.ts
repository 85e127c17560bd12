// What the chart gives in each case is what it gave before. UPDATE_GOLDEN=1 accepts what it gives now.
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { manifests } from '../fixtures/helm.ts';
import { allCases } from './cases.ts';

const folder = join(import.meta.dirname, 'golden');
const updating = process.env.UPDATE_GOLDEN === '1';

/** Without the files of deploy/ that the chart embeds, which observability.test.ts looks at. */
function withoutEmbedded(text: string): string {
  const embedded = /# Source: gpubroker-node\/templates\/(?:dashboard|prometheusrule)\.yaml/;
  return text
    .split(/^---\n/m)
    .filter((document) => !embedded.test(document))
    .join('---\n');
}

test.each(allCases)('%s', (name, { values, monitoring }) => {
  const given = withoutEmbedded(manifests(values, { monitoring: monitoring ?? false }));
  const path = join(folder, `${name}.yaml`);
  if (updating) writeFileSync(path, given);
  expect(given).toBe(readFileSync(path, 'utf8'));
});

test('every golden file has its case', () => {
  expect(globSync('*.yaml', { cwd: folder }).toSorted()).toEqual(allCases.map(([name]) => `${name}.yaml`).toSorted());
});
