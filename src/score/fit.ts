// Whether a GPU fits a request: every wish against what is known of the GPU, each with its answer. Fields are named and
// compared as in the search for GPUs of the HTTP API; what is not known of a GPU fits no wish.
import { type FigureName, isBetterLow } from './figures.ts';

/** What is known of a GPU: fields of the HTTP API's Gpu, and its last figures. */
export interface FitGpu {
  readonly product: string | null;
  readonly vendor: string | null;
  readonly model: string | null;
  readonly memory_bytes: number | null;
  readonly compute_capability: string | null;
  readonly driver_version: string | null;
  readonly health: string;
  readonly status: string;
  readonly label: string;
  readonly score: number | null;
  /** The medians of its last measurement. */
  readonly figures: Readonly<Partial<Record<FigureName, number>>>;
}

/** What is asked for. A wish that is absent is none. */
export interface FitRequest {
  /** The id of a product, not an alias. */
  readonly product?: string;
  readonly vendor?: string;
  /** The exact name that the driver gives. */
  readonly model?: string;
  /** GiB. */
  readonly memory_gb_min?: number;
  /** GiB. */
  readonly memory_gb_max?: number;
  readonly compute_capability_min?: string;
  readonly driver_version_min?: string;
  readonly health?: string;
  /** `available`: nobody has it, and it is not in maintenance. */
  readonly status?: string;
  readonly label_min?: string;
  readonly score_min?: number;
  /** No figure of these may be worse: lower, or higher where less is better. */
  readonly figures?: Readonly<Partial<Record<FigureName, number>>>;
}

/** One wish and its answer. */
export interface FitCheck {
  /** The field of the request: `score_min`, or `figures.fp32`. */
  readonly field: string;
  readonly wanted: string | number;
  /** Null where it is not known. */
  readonly has: string | number | null;
  readonly ok: boolean;
}

/** Whether a GPU fits, and every check. */
export interface Fit {
  readonly fits: boolean;
  /** In the order of {@link FitRequest}. None for a request without wishes. */
  readonly checks: readonly FitCheck[];
}

/** Lowest first. */
const labels = ['simulated', 'self-reported', 'measured', 'challenge-verified'];

type Value = string | number;
type Compare<T extends Value> = (has: T, wanted: T) => boolean;

const isSame: Compare<string> = (has, wanted) => has === wanted;
const isAtLeast: Compare<number> = (has, wanted) => has >= wanted;
const isAtMost: Compare<number> = (has, wanted) => has <= wanted;
const isLabelAtLeast: Compare<string> = (has, wanted) => labels.indexOf(has) >= labels.indexOf(wanted);

/** Checks one GPU. Deterministic. */
export function fitOf(gpu: FitGpu, request: FitRequest): Fit {
  const memoryGb = gpu.memory_bytes === null ? null : gpu.memory_bytes / 2 ** 30;
  const checks = [
    check('product', request.product, gpu.product, isSame),
    check('vendor', request.vendor, gpu.vendor, isSame),
    check('model', request.model, gpu.model, isSame),
    check('memory_gb_min', request.memory_gb_min, memoryGb, isAtLeast),
    check('memory_gb_max', request.memory_gb_max, memoryGb, isAtMost),
    check('compute_capability_min', request.compute_capability_min, gpu.compute_capability, isVersionAtLeast),
    check('driver_version_min', request.driver_version_min, gpu.driver_version, isVersionAtLeast),
    check('health', request.health, gpu.health, isSame),
    check('status', request.status, gpu.status, isSame),
    check('label_min', request.label_min, gpu.label, isLabelAtLeast),
    check('score_min', request.score_min, gpu.score, isAtLeast),
    ...figureChecks(gpu, request),
  ].filter((found) => found !== undefined);
  return { fits: checks.every(({ ok }) => ok), checks };
}

function figureChecks(gpu: FitGpu, { figures = {} }: FitRequest): (FitCheck | undefined)[] {
  return (Object.keys(figures) as FigureName[]).map((name) => {
    const compare = isBetterLow(name) ? isAtMost : isAtLeast;
    return check(`figures.${name}`, figures[name], gpu.figures[name] ?? null, compare);
  });
}

function check<T extends Value>(
  field: string,
  wanted: T | undefined,
  has: T | null,
  compare: Compare<T>,
): FitCheck | undefined {
  if (wanted === undefined) return undefined;
  return { field, wanted, has, ok: has !== null && compare(has, wanted) };
}

/** By their numbers, one after the other: 8.10 is above 8.9. What is not numbers and dots is below everything. */
function isVersionAtLeast(has: string, wanted: string): boolean {
  const [ours, theirs] = [numbersOf(has), numbersOf(wanted)];
  if (!ours || !theirs) return false;
  const places = Array.from({ length: Math.max(ours.length, theirs.length) }, (_, place) => place);
  const differing = places.find((place) => (ours[place] ?? 0) !== (theirs[place] ?? 0));
  return differing === undefined || (ours[differing] ?? 0) > (theirs[differing] ?? 0);
}

function numbersOf(version: string): number[] | undefined {
  return /^\d+(\.\d+)*$/.test(version) ? version.split('.').map(Number) : undefined;
}
