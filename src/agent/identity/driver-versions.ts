// Which versions a driver of NVIDIA's can have at all.

/** Branches go up by some thirty a year; 590 was in 2026. */
const highestBranch = 799;

/** The first branch that drives an architecture. */
const firstBranches: ReadonlyMap<string, number> = new Map([
  ['volta', 384],
  ['turing', 410],
  ['ampere', 450],
  ['ada', 520],
  ['hopper', 515],
  ['blackwell', 550],
]);

/** Why there can be no such driver; undefined where there can. */
export function whyImpossible(version: string, architecture: string | undefined): string | undefined {
  const branch = Number(/^(\d{3})\.\d{2,3}(?:\.\d{2})?$/.exec(version)?.[1]);
  if (Number.isNaN(branch)) return 'no driver has a version of this form';
  if (branch > highestBranch) return `there is no branch beyond ${highestBranch}`;
  const first = firstBranches.get(architecture ?? '') ?? 0;
  return branch < first ? `${architecture} is driven from ${first} on` : undefined;
}
