// Before all tests: builds the program that the end-to-end tests run, unless it is fresh; starts the PostgreSQL whose
// databases the tests use, with a migrated template; and prints the seed of the property tests so that a failure can
// be replayed.
import { execFileSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import type { TestProject } from 'vitest/node';
import { openDatabase } from '../src/broker/storage/database.ts';
import { migrate } from '../src/broker/storage/migrator.ts';
import { onServer, startTestPostgres, templateName } from './fixtures/postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    seed: number;
  }
}

export async function setup({ config, provide }: TestProject): Promise<() => Promise<void>> {
  const built = modified('dist/gpubroker.js');
  if (['build.ts', 'package.json', ...globSync('src/**/*.ts')].some((source) => modified(source) > built)) {
    execFileSync(process.execPath, ['build.ts'], { stdio: 'inherit' });
  }
  const seed = config.env.FC_SEED;
  process.stdout.write(`property tests: seed ${seed} (replay with FC_SEED=${seed})\n`);
  provide('seed', Number(seed));
  const postgres = await startTestPostgres();
  await makeTemplate(postgres.url);
  provide('postgresUrl', postgres.url);
  return () => postgres.remove();
}

async function makeTemplate(server: string): Promise<void> {
  await onServer(server, `create database ${templateName}`);
  const template = openDatabase({ url: server.replace('/gpubroker?', `/${templateName}?`) });
  await migrate(template.db);
  await template.close();
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
