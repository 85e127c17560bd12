// Brings a database's schema up or down, one migration at a time, each in its own transaction.
import { sql } from 'kysely';
import { type Migration as KyselyMigration, type MigrationInfo, Migrator } from 'kysely/migration';
import type { Database } from './database.ts';
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

/** Applies every migration that has not been. @throws what the database said, when one fails: that one is undone. */
export async function migrate(db: Database): Promise<MigrationRun> {
  return done(await migratorOf(db).migrateToLatest());
}

/** Takes the last migration back. */
export async function rollback(db: Database): Promise<MigrationRun> {
  return done(await migratorOf(db).migrateDown());
}

/** Every migration, with when it was applied. */
export async function migrationStatus(db: Database): Promise<readonly MigrationInfo[]> {
  return migratorOf(db).getMigrations();
}

function done({ error, results = [] }: Awaited<ReturnType<Migrator['migrateDown']>>): MigrationRun {
  if (error) throw error;
  return { names: results.map(({ migrationName }) => migrationName) };
}
