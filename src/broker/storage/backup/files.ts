// Files on their way into a backup and out of it: compressed with Zstandard, and summed as they pass. Whoever calls
// sees to it that they get to the disk: all at once is faster.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Duplex, type Readable, Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  createGunzip,
  createZstdCompress,
  createZstdDecompress,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib';
import { type StoredFile, storedPath } from './manifest.ts';

/** Files that are worked on at a time. */
const atOnce = 8;

/** Bytes up to which a file is worked on as a whole: most files are small, and streams cost more than they do. */
const smallSize = 256 * 1024;

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
  try {
    if (!options.gzipped && (await stat(source)).size <= smallSize) {
      return await storeBytes(backup, path, await readFile(source));
    }
    const input = createReadStream(source);
    await opened(input);
    return await storeStream(backup, path, options.gzipped ? [input, createGunzip()] : [input]);
  } catch (error) {
    const { code, path: missing } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && missing === source) return undefined;
    throw error;
  }
}

/** Stores bytes as a file of the data folder. */
export async function storeBytes(backup: string, path: string, bytes: Buffer): Promise<StoredFile> {
  const target = storedPath(backup, path);
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  await writeFile(target, zstdCompressSync(bytes), { mode: 0o600 });
  return { path, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

async function storeStream(backup: string, path: string, input: [Readable, ...Duplex[]]): Promise<StoredFile> {
  const target = storedPath(backup, path);
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const sum = summing();
  await pipeline([...input, sum.stream, createZstdCompress(), createWriteStream(target, { mode: 0o600 })]);
  return { path, ...sum.result() };
}

/**
 * Writes a stored file to `target`, or nowhere.
 * @returns what is wrong with it, or `undefined`.
 */
export async function restoreFile(backup: string, file: StoredFile, target?: string): Promise<string | undefined> {
  try {
    const { size, sha256 } =
      file.size <= smallSize ? await small(backup, file, target) : await large(backup, file, target);
    if (size !== file.size) return `is damaged: ${size} bytes instead of ${file.size}`;
    return sha256 === file.sha256 ? undefined : 'is damaged: its SHA-256 differs';
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && path === storedPath(backup, file.path)) return 'is missing';
    // A full disk is nothing that the backup is to blame for.
    if (code && !code.startsWith('ZSTD') && !code.startsWith('ERR_')) throw error;
    return 'is damaged: it cannot be decompressed';
  }
}

async function small(backup: string, file: StoredFile, target: string | undefined) {
  const stored = await readFile(storedPath(backup, file.path));
  // What is damaged might claim to be huge.
  const bytes = zstdDecompressSync(stored, { maxOutputLength: Math.max(file.size, 1) });
  if (target) await writeFile(target, bytes, { mode: 0o600 });
  return { size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

async function large(backup: string, file: StoredFile, target: string | undefined) {
  const sum = summing();
  const source = createReadStream(storedPath(backup, file.path));
  await opened(source);
  const output = target ? createWriteStream(target, { mode: 0o600 }) : nowhere();
  await pipeline(source, createZstdDecompress(), sum.stream, output);
  return sum.result();
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
