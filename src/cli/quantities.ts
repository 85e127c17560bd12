// Quantities as people read them; a quantity that is not known is a dash.

export const absent = '-';

/** `79.6 GiB`. */
export function formatGib(bytes: bigint | undefined): string {
  return bytes === undefined ? absent : `${gib(bytes)} GiB`;
}

/** `1.2/79.6 GiB`. */
export function formatGibOf(used: bigint | undefined, total: bigint | undefined): string {
  if (used === undefined) return total === undefined ? absent : `${absent}/${formatGib(total)}`;
  return `${gib(used)}/${formatGib(total)}`;
}

/** `312/700 W`, from milliwatts. */
export function formatWattsOf(used: number | undefined, limit: number | undefined): string {
  if (used === undefined && limit === undefined) return absent;
  const watts = (milliwatts: number | undefined) => (milliwatts === undefined ? absent : Math.round(milliwatts / 1000));
  return `${watts(used)}/${watts(limit)} W`;
}

/** The number with its unit, for instance `45 C`. */
export function formatNumber(value: number | undefined, unit: string): string {
  return value === undefined ? absent : `${value}${unit}`;
}

/** `2d 3h`, `3h 20m`, `20m 5s` or `5s`: the two largest units. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return '0s';
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ');
}

function gib(bytes: bigint): string {
  return (Number(bytes) / 2 ** 30).toFixed(1);
}
