// Brings a database's schema up or down, one migration at a time, each in its own transaction.
import { sql } from 'kysely';
import { type Migration as KyselyMigration, type MigrationInfo, Migrator } from 'kysely/migration';
import { CodedError, messageOf } from '../../daemon/errors.ts';
import type { Database } from './database.ts';
import { migrationFailed, schemaNewer } from './errors.ts';
import { migrations } from './migrations/index.ts';

/** The steps of one run, in order. */
export interface MigrationRun {
  readonly names: readonly string[];
}

function migratorOf(db: Database): Migrator {
  const steps = Object.entries(migrations).map(([name, { up, down }]): [string, KyselyMigration] => [
    name,
    { up: (trx) => run(trx, up), down: (trx) => run(trx, down) },
  ]);
  return new Migrator({ db, provider: { getMigrations: async () => Object.fromEntries(steps) } });
}

async function run(trx: Database, text: string): Promise<void> {
  await sql.raw(text).execute(trx);
}

/**
 * Applies every migration that has not been.
 * @throws CodedError GPUB_DATABASE_SCHEMA_NEWER, GPUB_DATABASE_MIGRATION_FAILED: one that fails is undone.
 */
export async function migrate(db: Database): Promise<MigrationRun> {
  await refuseNewer(db);
  return done(await migratorOf(db).migrateToLatest());
}

/** Takes the last migration back. @throws as {@link migrate}. */
export async function rollback(db: Database): Promise<MigrationRun> {
  await refuseNewer(db);
  return done(await migratorOf(db).migrateDown());
}

/** Every migration, with when it was applied. */
export async function migrationStatus(db: Database): Promise<readonly MigrationInfo[]> {
  return migratorOf(db).getMigrations();
}

/** Migrations in the database that this program does not have. */
export async function unknownMigrations(db: Database): Promise<string[]> {
  const { rows } = await sql<{ found: boolean }>`select to_regclass('kysely_migration') is not null as found`.execute(
    db,
  );
  if (!rows[0]?.found) return [];
  const applied = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db);
  return applied.rows.map(({ name }) => name).filter((name) => !Object.hasOwn(migrations, name));
}

async function refuseNewer(db: Database): Promise<void> {
  const unknown = await unknownMigrations(db);
  if (unknown.length > 0) throw schemaNewer(unknown.join(', '));
}

function done({ error, results = [] }: Awaited<ReturnType<Migrator['migrateDown']>>): MigrationRun {
  if (error) {
    if (error instanceof CodedError) throw error;
    const failure = migrationFailed(messageOf(error));
    failure.cause = error;
    throw failure;
  }
  return { names: results.map(({ migrationName }) => migrationName) };
}
