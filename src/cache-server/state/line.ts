// A line on disk: JSON behind its checksum, so that a torn or altered one is noticed.
import { crc32 } from 'node:zlib';

/** The line of a record, with its line break. */
export function seal(record: object): string {
  const json = JSON.stringify(record);
  return `${checksum(json)} ${json}\n`;
}

/**
 * The record of a line without its line break; `undefined` when it is not as it was sealed. The caller may trust the
 * record's shape: only this program writes lines with a fitting checksum.
 */
export function unseal<T extends object>(line: string): T | undefined {
  const json = line.slice(9);
  return line.slice(0, 9) === `${checksum(json)} ` ? (JSON.parse(json) as T) : undefined;
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}
