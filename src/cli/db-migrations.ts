// `gpubroker db migrate`, `rollback` and `status`.
import { migrate, migrationStatus, rollback } from '../broker/storage/administration.ts';
import type { DbOptions } from './db.ts';
import { onDatabase } from './db-connection.ts';
import { formatTable, print, printJson } from './output.ts';

export async function migrateDatabase(options: DbOptions): Promise<void> {
  const { names } = await onDatabase(options, ({ db }) => migrate(db), true);
  tell(options, { applied: names }, names.length === 0 ? 'The schema is up to date.' : `Applied ${names.join(', ')}.`);
}

export async function rollbackDatabase(options: DbOptions): Promise<void> {
  const { names } = await onDatabase(options, ({ db }) => rollback(db));
  tell(
    options,
    { takenBack: names },
    names.length === 0 ? 'There is nothing to take back.' : `Took back ${names.join(', ')}.`,
  );
}

export async function showMigrations(options: DbOptions): Promise<void> {
  const found = await onDatabase(options, ({ db }) => migrationStatus(db));
  const migrations = found.map(({ name, executedAt }) => ({ name, appliedAt: executedAt?.toISOString() ?? null }));
  const rows = migrations.map(({ name, appliedAt }) => [name, appliedAt ?? 'not applied']);
  tell(options, { migrations }, formatTable([['MIGRATION', 'APPLIED'], ...rows]));
}

function tell({ json }: DbOptions, value: unknown, text: string): void {
  if (json) printJson(value);
  else print(text);
}
