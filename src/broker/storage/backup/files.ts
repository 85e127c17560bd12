// Files on their way into a backup and out of it: compressed with Zstandard, and summed as they pass. Whoever calls
// sees to it that they get to the disk: all at once is faster.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Readable, Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { type StoredFile, storedPath } from './manifest.ts';

/** Files that are worked on at a time. */
const atOnce = 8;

/**
 * Stores a file of a data folder; `source` may be gzipped.
 * @returns what the manifest says of it; `undefined` if the file is gone, as a running server's may be.
 */
export async function storeFile(
  backup: string,
  path: string,
  source: string,
  options: { readonly gzipped?: boolean } = {},
): Promise<StoredFile | undefined> {
  const input = createReadStream(source);
  try {
    await opened(input);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return store(backup, path, options.gzipped ? input.pipe(createGunzip()) : input);
}

/** Stores bytes as a file of the data folder. */
export async function store(backup: string, path: string, input: Readable): Promise<StoredFile> {
  const target = storedPath(backup, path);
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const sum = summing();
  await pipeline(input, sum.stream, createZstdCompress(), createWriteStream(target, { mode: 0o600 }));
  return { path, ...sum.result() };
}

/**
 * Writes a stored file to `target`, or nowhere.
 * @returns what is wrong with it, or `undefined`.
 */
export async function restoreFile(backup: string, file: StoredFile, target?: string): Promise<string | undefined> {
  const sum = summing();
  const output = target ? createWriteStream(target, { mode: 0o600 }) : nowhere();
  const source = createReadStream(storedPath(backup, file.path));
  try {
    await opened(source);
    await pipeline(source, createZstdDecompress(), sum.stream, output);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return 'is missing';
    // A full disk is nothing that the backup is to blame for.
    if (code && !code.startsWith('ZSTD') && !code.startsWith('ERR_')) throw error;
    return 'is damaged: it cannot be decompressed';
  }
  const { size, sha256 } = sum.result();
  if (size !== file.size) return `is damaged: ${size} bytes instead of ${file.size}`;
  return sha256 === file.sha256 ? undefined : 'is damaged: its SHA-256 differs';
}

/** Does the work for every item, a few at a time; the first failure ends it. */
export async function forEach<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

function summing() {
  const hash = createHash('sha256');
  let size = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  return { stream, result: () => ({ size, sha256: hash.digest('hex') }) };
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

function opened(stream: ReturnType<typeof createReadStream>): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.once('open', () => resolve());
    stream.once('error', reject);
  });
}
