// Plans of challenges that an operator gives: a JSON file that is read once, at the start, and checked field by field.
import { readFileSync } from 'node:fs';
import { defineError, messageOf } from '../../daemon/errors.ts';
import { limits } from '../../proof/challenge.ts';
import type { ChallengePlan } from './challenge-plan.ts';

export const plansUnreadable = defineError(
  'GPUB_CHALLENGE_PLANS_UNREADABLE',
  (path: string, reason: string) => `challenge-plans: cannot read ${path}: ${reason}`,
  () => 'Give --challenge-plans the path of a JSON file: {"PRODUCT": {"size": …, "rounds": …, …}}.',
);

export const plansInvalid = defineError(
  'GPUB_CHALLENGE_PLANS_INVALID',
  (path: string, field: string, value: string, allowed: string) =>
    `${path}: ${field}: ${value} is not allowed: ${allowed}`,
  () => 'Correct the file; the fields and their bounds are in docs/proof-of-gpu.md.',
);

interface Bounds {
  readonly least: number;
  readonly most: number;
  readonly step?: number;
}

const hour = 3_600_000;
const milliseconds: Bounds = { least: 0, most: hour };
/** The file's fields, with what each may be. All are required. */
const fields: Readonly<Record<string, Bounds>> = {
  size: limits.size,
  rounds: limits.rounds,
  places: limits.places,
  expected_ms: { ...milliseconds, least: 1 },
  slowest_ms: { ...milliseconds, least: 1 },
  fastest_ms: milliseconds,
};

/**
 * Reads the plans, by product.
 *
 * @param path empty for none
 * @throws CodedError `GPUB_CHALLENGE_PLANS_UNREADABLE`, or `GPUB_CHALLENGE_PLANS_INVALID`, which names the field
 */
export function readPlans(path: string): ReadonlyMap<string, ChallengePlan> {
  if (path === '') return new Map();
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw plansUnreadable(path, messageOf(error));
  }
  return new Map(entriesOf(path, '', content).map(([product, plan]) => [product, planOf(path, product, plan)]));
}

function planOf(path: string, product: string, given: unknown): ChallengePlan {
  const entries = entriesOf(path, product, given);
  for (const [name] of entries) {
    if (!(name in fields)) throw plansInvalid(path, `${product}.${name}`, 'this field', anyOf(Object.keys(fields)));
  }
  const values = new Map(entries);
  const read = (name: string) => numberOf(path, `${product}.${name}`, values.get(name), fields[name] as Bounds);
  const [size, rounds, count] = [read('size'), read('rounds'), read('places')];
  const [expectedMs, slowestMs, fastestMs] = [read('expected_ms'), read('slowest_ms'), read('fastest_ms')];
  if (slowestMs <= fastestMs)
    throw plansInvalid(path, `${product}.slowest_ms`, String(slowestMs), 'more than fastest_ms is');
  return { size, rounds, places: count, expectedMs, slowestMs, fastestMs };
}

function entriesOf(path: string, field: string, given: unknown): [string, unknown][] {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw plansInvalid(path, field || 'the file', JSON.stringify(given), 'an object is');
  return Object.entries(given);
}

function numberOf(path: string, field: string, given: unknown, { least, most, step = 1 }: Bounds): number {
  const isAllowed = typeof given === 'number' && given >= least && given <= most && given % step === 0;
  if (isAllowed) return given;
  const allowed = `a ${step === 1 ? 'whole number' : `multiple of ${step}`} from ${least} to ${most} is`;
  throw plansInvalid(path, field, given === undefined ? 'nothing' : JSON.stringify(given), allowed);
}

function anyOf(names: readonly string[]): string {
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)} are`;
}
