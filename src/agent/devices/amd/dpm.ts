// The clock levels that amdgpu lists in its `pp_dpm_…` files: one a line, `1: 2100Mhz *`, the current one starred.

/** The current clock and the highest, in MHz; absent where no line says it. */
export function clockLevels(lines: readonly string[] = []): { current?: number; highest?: number } {
  const levels = lines.flatMap((line) => {
    const [, mhz, star] = /^\w+:\s*(\d{1,6})\s*Mhz\s*(\*?)$/i.exec(line) ?? [];
    return mhz === undefined ? [] : [{ mhz: Number(mhz), isCurrent: star === '*' }];
  });
  const current = levels.find(({ isCurrent }) => isCurrent)?.mhz;
  const highest = levels.length > 0 ? Math.max(...levels.map(({ mhz }) => mhz)) : undefined;
  return { ...(current !== undefined && { current }), ...(highest && { highest }) };
}
