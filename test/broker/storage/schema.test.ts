// The types of the tables, which are written by hand, are those of the tables that the migrations make.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { testDatabase } from '../../fixtures/database.ts';

const folder = join(import.meta.dirname, '../../../src/broker/storage');
const sources = ['schema.ts', 'market-schema.ts'].map((file) => readFileSync(join(folder, file), 'utf8'));

/** Each column as `table.column`, with a `?` behind it where it may be null. */
function typedColumns(source: string): string[] {
  const [, body = ''] = /export interface (?:Market)?Schema (?:extends \w+ )?\{\n([\s\S]*?)\n\}/.exec(source) ?? [];
  const withoutComments = body.replaceAll(/\/\*\*[\s\S]*?\*\/|\/\/.*/g, '');
  const tables = [...withoutComments.matchAll(/^ {2}(\w+): \{([\s\S]*?)\}(?=;\n {2}\w|;?\s*$)/gm)];
  return tables.flatMap(([, table = '', columns = '']) => {
    const found = [...columns.matchAll(/(\w+): ((?:[^;{]|\{[^}]*\})+?)(?:;|$)/g)];
    return found.map(([, column = '', type = '']) => `${table}.${column}${/\| null$/.test(top(type)) ? '?' : ''}`);
  });
}

/** What a wrapper such as `Generated` holds. */
function top(type: string): string {
  return type
    .trim()
    .replace(/^(?:Generated|Json)<(.*)>$/, '$1')
    .trim();
}

test('every column has its type, with null where it may be null', async () => {
  const { db } = await testDatabase();
  const { rows } = await sql<{ name: string }>`
    select c.relname || '.' || a.attname || case when a.attnotnull then '' else '?' end as name
    from pg_attribute a join pg_class c on c.oid = a.attrelid
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and a.attnum > 0 and not a.attisdropped and c.relname not like 'kysely%'
  `.execute(db);
  expect(rows.length).toBeGreaterThan(100);
  expect(sources.flatMap(typedColumns).sort()).toEqual(rows.map(({ name }) => name).sort());
});
