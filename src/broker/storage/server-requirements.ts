// What a PostgreSQL server must be and do before the broker trusts it: recent enough, and losing nothing.
import pg from 'pg';
import { CodedError, messageOf } from '../../daemon/errors.ts';
import { databaseUnreachable, serverTooOld, serverUnsafe } from './errors.ts';

/** `server_version_num` of the oldest that is supported. */
const oldest = 150_000;

/** Any of these off, and a power cut loses what was committed. */
const safeguards = ['fsync', 'full_page_writes', 'synchronous_commit'] as const;

/** What the server says of itself. */
export interface ServerFacts {
  /** For instance `18.4`. */
  readonly version: string;
  readonly majorVersion: number;
}

/**
 * Connects once and looks.
 * @throws CodedError GPUB_DATABASE_UNREACHABLE, GPUB_DATABASE_TOO_OLD, GPUB_DATABASE_UNSAFE
 */
export async function checkServer(url: string, timeout = 10_000): Promise<ServerFacts> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: timeout, query_timeout: timeout });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const setting = async (name: string): Promise<string> => {
      const { rows } = await client.query('select current_setting($1) as value', [name]);
      return String(rows[0]?.value);
    };
    const number = Number(await setting('server_version_num'));
    const version = await setting('server_version');
    if (number < oldest) throw serverTooOld(version);
    for (const name of safeguards) if ((await setting(name)) === 'off') throw serverUnsafe(name);
    return { version, majorVersion: Math.floor(number / 10_000) };
  } catch (error) {
    throw error instanceof CodedError ? error : databaseUnreachable(messageOf(error));
  } finally {
    await client.end().catch(() => undefined);
  }
}
