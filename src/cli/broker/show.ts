// How things of the broker look: a table for people, the API's own JSON for programs.
import { coloured, formatTable, oneLine, print, printJson, remark } from '../output.ts';
import { absent, formatAge } from '../quantities.ts';

type Cell = string | number | boolean | null | undefined;

/** A column: its heading, and what stands in it. */
export type Columns<Item> = Readonly<Record<string, (item: Item) => Cell>>;

/** Prints a list; `nothing` is said to people where it is empty. */
export function showList<Item>(
  items: readonly Item[],
  { json, columns, nothing }: { json: boolean; columns: Columns<Item>; nothing: string },
): void {
  const rows = items.map((item) => Object.values(columns).map((cell) => text(cell(item))));
  if (json) printJson({ items });
  else if (items.length === 0) remark(nothing);
  else print(formatTable([Object.keys(columns), ...rows]));
}

/** Prints one thing, a line a field; nested values as JSON. */
export function showOne(item: object, json: boolean): void {
  const rows = Object.entries(item)
    .filter(([, value]) => value !== null && value !== '')
    .map(([name, value]) => [name, typeof value === 'object' ? JSON.stringify(value) : String(value)]);
  if (json) printJson(item);
  else print(formatTable(rows));
}

/** Says that something was done, or prints what the broker answered. No name or reason in a line makes another line. */
export function showDone(answer: unknown, said: string | readonly string[], json: boolean): void {
  if (json) printJson(answer);
  else print([said].flat().map(oneLine).join('\n'));
}

/** The size of page with which a list of at most so many takes the fewest requests, and one of them tells of more. */
export function pageFor(most: number): { limit: number } {
  return { limit: Math.min(most + 1, 500) };
}

/** Everything a generator gives, but no more than `most`; says so when there is more. */
export async function collect<Item>(items: AsyncGenerator<Item>, most: number): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) {
    if (found.length === most) {
      remark(`There are more than ${most}; --limit shows more, the filters less.`);
      break;
    }
    found.push(item);
  }
  return found;
}

/** `3h 20m ago`. */
export function ago(time: string | null | undefined, now = Date.now()): string {
  return time ? `${formatAge(now - Date.parse(time))} ago` : absent;
}

const colours = {
  healthy: 'green',
  verified: 'green',
  passed: 'green',
  closed: 'green',
  degraded: 'yellow',
  unknown: 'yellow',
  warning: 'yellow',
  acknowledged: 'yellow',
  pending_kyc: 'yellow',
  offline: 'red',
  unhealthy: 'red',
  failed: 'red',
  critical: 'red',
  open: 'red',
  suspended: 'red',
} as const;

/** A word in the colour of what it means. */
export function word(value: string): string {
  return Object.hasOwn(colours, value) ? coloured(colours[value as keyof typeof colours], value) : value;
}

function text(cell: Cell): string {
  return cell === null || cell === undefined || cell === '' ? absent : String(cell);
}
