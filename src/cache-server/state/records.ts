// The records of the state file, and what a whole file of them says.
import type { CachedGpu, OwnedCondition } from '../gpu.ts';
import type { Registration } from '../providers/registration.ts';
import { unseal } from './line.ts';

/** The first line: which format, and in which boot of the machine the file was begun. */
export interface Header {
  readonly format: 1;
  readonly boot: string;
}

/** Every further line: what the cache was at a version. */
export type StateRecord =
  | { readonly v: number; readonly gpu: StoredGpu }
  | { readonly v: number; readonly deleted: string }
  /** A provider registered, or is registered no more. */
  | { readonly v: number; readonly registered: Registration }
  | { readonly v: number; readonly unregistered: string }
  /** Nothing but the version: the cache was there. With `closed`, the daemon stopped in good order. */
  | { readonly v: number; readonly closed: boolean };

/** A GPU as it is stored; whether a condition is confirmed is not, for after a restart none is. */
type StoredGpu = Omit<CachedGpu, 'version' | 'conditions'> & {
  readonly conditions: readonly Omit<OwnedCondition, 'confirmed'>[];
};

/** What a state file says. */
export interface Restored {
  readonly gpus: readonly CachedGpu[];
  readonly registrations: readonly Registration[];
  readonly version: number;
  readonly boot: string;
  /** The daemon stopped in good order after the last record. */
  readonly closed: boolean;
  /** Why the file could not be read to its end; what stands before that place is in the other fields. */
  readonly damage?: string;
}

/** The record of a GPU. */
export function gpuRecord({ version, conditions, ...gpu }: CachedGpu): StateRecord {
  return { v: version, gpu: { ...gpu, conditions: conditions.map(({ confirmed: _, ...condition }) => condition) } };
}

/** Reads a whole state file; never throws. */
export function decodeState(text: string): Restored {
  const gpus = new Map<string, CachedGpu>();
  const registrations = new Map<string, Registration>();
  let boot = '';
  let version = 0;
  let closed = false;
  const restored = () => ({ gpus: [...gpus.values()], registrations: [...registrations.values()], version, boot });
  const damaged = (damage: string): Restored => ({ ...restored(), closed: false, damage });

  let count = 0;
  let at = 0;
  // Line by line, for the file may be large beside the heap.
  for (let end = text.indexOf('\n'); end !== -1; at = end + 1, end = text.indexOf('\n', at)) {
    const line = text.slice(at, end);
    const i = count;
    count += 1;
    const record = unseal<Header | StateRecord>(line);
    if (!record) return damaged(`line ${i + 1} is altered`);
    if (i === 0) {
      if (!('format' in record) || record.format !== 1) return damaged('line 1 is not the header of format 1');
      boot = record.boot;
      continue;
    }
    if ('format' in record || record.v < version) return damaged(`line ${i + 1} is out of order`);
    version = record.v;
    closed = 'closed' in record && record.closed;
    if ('gpu' in record) gpus.set(record.gpu.name.toLowerCase(), restoreGpu(record.gpu, record.v));
    if ('deleted' in record) gpus.delete(record.deleted.toLowerCase());
    if ('registered' in record) registrations.set(record.registered.id, record.registered);
    if ('unregistered' in record) registrations.delete(record.unregistered);
  }
  if (at < text.length) return damaged(`line ${count + 1} is torn`);
  if (count === 0) return damaged('it is empty');
  return { ...restored(), closed };
}

function restoreGpu(gpu: StoredGpu, version: number): CachedGpu {
  return { ...gpu, version, conditions: gpu.conditions.map((condition) => ({ ...condition, confirmed: false })) };
}
