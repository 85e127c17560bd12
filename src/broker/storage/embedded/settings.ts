// The settings of the embedded server: nothing that was committed is ever lost, and little memory is used.

/** By name; each value as it is written in postgresql.conf. */
export type Settings = Readonly<Record<string, string>>;

/** A text in postgresql.conf. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** The lines of postgresql.conf; `settings` win over ours. */
export function configurationText(socketFolder: string, settings: Settings = {}): string {
  const all: Settings = {
    listen_addresses: quoted(''),
    unix_socket_directories: quoted(socketFolder),
    unix_socket_permissions: '0700',
    max_connections: '50',
    shared_buffers: quoted('256MB'),
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    wal_level: 'replica',
    max_wal_senders: '2',
    max_replication_slots: '2',
    wal_compression: 'pglz',
    max_wal_size: quoted('1GB'),
    checkpoint_timeout: quoted('5min'),
    // A client that went away must not hold locks.
    client_connection_check_interval: quoted('5s'),
    timezone: quoted('UTC'),
    log_timezone: quoted('UTC'),
    logging_collector: 'off',
    log_line_prefix: quoted('[%p] '),
    // A statement may show what somebody wants kept to himself.
    log_min_error_statement: 'panic',
    log_statement: 'none',
    ...settings,
  };
  return Object.entries(all)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('');
}

/** The archive of the write-ahead log in a folder: a segment at least every minute while something is written. */
export function archiveSettings(archive: string, timeout = '60s'): Settings {
  return {
    archive_mode: 'on',
    archive_timeout: quoted(timeout),
    archive_command: quoted(archiveCommand(archive)),
  };
}

/**
 * Compresses a segment beside its place, writes it through to the disk, and only then gives it its name. A segment that
 * is there already must be the same: PostgreSQL repeats what was cut short. Before the first backup nothing is kept,
 * for without one nothing can be made of it.
 */
function archiveCommand(archive: string): string {
  const folder = inCommand(archive);
  return [
    `test -e ${folder}/wanted || exit 0;`,
    `f=${folder}/%f.gz;`,
    'if test -e "$f"; then gzip -dc "$f" | cmp -s - "%p";',
    'else gzip -1 -c "%p" > "$f.part" && sync "$f.part" && mv "$f.part" "$f"',
    `&& sync ${folder}; fi`,
  ].join(' ');
}

/** What fetches segments of an archive while a backup is restored. */
export function restoreCommand(archive: string): string {
  return `gzip -dc < ${inCommand(archive)}/%f.gz > "%p"`;
}

/** For the shell, and for PostgreSQL, to which `%` means something. */
function inCommand(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`.replaceAll('%', '%%');
}
