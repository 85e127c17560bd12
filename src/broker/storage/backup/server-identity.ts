// Which server a backup is of.
import type pg from 'pg';

export interface ServerIdentity {
  readonly version: string;
  readonly majorVersion: number;
  readonly systemIdentifier: string;
  /** Bytes of a segment of the write-ahead log. */
  readonly segmentSize: number;
  /** Applied migrations, in order. */
  readonly migrations: readonly string[];
}

export async function serverIdentity(client: pg.Client): Promise<ServerIdentity> {
  const { rows } = await client.query(`
    select current_setting('server_version') as version, current_setting('server_version_num')::int / 10000 as major,
      (select system_identifier::text from pg_control_system()) as system,
      (select bytes_per_wal_segment from pg_control_init()) as segment,
      to_regclass('kysely_migration') is not null as migrated
  `);
  const [row] = rows;
  const migrations = row.migrated
    ? await client.query('select name from kysely_migration order by name')
    : { rows: [] };
  return {
    version: String(row.version),
    majorVersion: Number(row.major),
    systemIdentifier: String(row.system),
    segmentSize: Number(row.segment),
    migrations: migrations.rows.map(({ name }) => String(name)),
  };
}
