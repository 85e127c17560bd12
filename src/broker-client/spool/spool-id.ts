// The file that says which spool this is: its id, the boot in which it was last opened, and where its counts begin.
import { readFileSync } from 'node:fs';
import { writeWhole } from '../whole-file.ts';

/** The identity of a spool. The broker's count of a message is the log's own less its base. */
export interface SpoolId {
  readonly id: string;
  /** The machine's boot: after another one, what was not synced may be lost. */
  readonly boot: string;
  readonly changesBase: bigint;
  readonly telemetryBase: bigint;
  /** How many dropped rounds of telemetry the broker had been told of when it began. */
  readonly droppedBefore: number;
}

/** What the file says; undefined where there is none that can be read. */
export function readSpoolId(path: string): SpoolId | undefined {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof parsed !== 'object' || parsed === null) return undefined;
    const { id, boot, changesBase, telemetryBase, droppedBefore } = parsed as Record<string, unknown>;
    if (typeof id !== 'string' || typeof boot !== 'string' || id === '') return undefined;
    return {
      id,
      boot,
      changesBase: BigInt(String(changesBase)),
      telemetryBase: BigInt(String(telemetryBase)),
      droppedBefore: Number(droppedBefore) || 0,
    };
  } catch {
    return undefined;
  }
}

/**
 * Puts the file in place, whole or not at all.
 *
 * @throws a system error when it cannot be written; the one before stands then
 */
export function writeSpoolId(path: string, id: SpoolId): void {
  const text = JSON.stringify({ ...id, changesBase: String(id.changesBase), telemetryBase: String(id.telemetryBase) });
  writeWhole(path, `${text}\n`);
}
