// A sum of each table's rows, whatever their order: two databases with the same sums hold the same.
import { type RawBuilder, sql } from 'kysely';
import type { Database } from '../database.ts';

export interface TableChecksum {
  /** With its schema. */
  readonly table: string;
  readonly rows: number;
  readonly checksum: string;
}

/** Milliseconds for one table. */
const deadline = 600_000;

/** Sums all tables of ours, in one snapshot, in the order of their names. */
export function tableChecksums(db: Database): Promise<TableChecksum[]> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (trx) => {
      const run = <Row>(query: RawBuilder<Row>) => query.execute(trx).then(({ rows }) => rows);
      // What a row looks like as text depends on these.
      await run(sql`select set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO', true),
        set_config('bytea_output', 'hex', true), set_config('extra_float_digits', '1', true),
        set_config('statement_timeout', ${String(deadline)}, true)`);
      const tables = await run(sql<{ schema: string; name: string }>`
        select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_'
        order by 1, 2`);
      const sums: TableChecksum[] = [];
      for (const { schema, name } of tables) {
        const [sum] = await run(sql<{ rows: number; checksum: string }>`
          select count(*) as rows,
            coalesce(sum(('x' || left(md5(t::text), 16))::bit(64)::bigint::numeric), 0)::text as checksum
          from ${sql.id(schema, name)} as t`);
        sums.push({ table: `${schema}.${name}`, rows: sum?.rows ?? 0, checksum: sum?.checksum ?? '' });
      }
      return sums;
    });
}
