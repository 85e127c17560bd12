// `gpubroker inventory snapshot`: the GPUs as they were at some time.
import type { SnapshotItem, SnapshotPage, SnapshotTotal } from '../../api/inventory.ts';
import type { Client } from '../../client/client.ts';
import { print, printJson, remark } from '../output.ts';
import { type Columns, pageFor, showList, word } from './show.ts';

const field =
  (name: string) =>
  ({ gpu }: SnapshotItem) => {
    const value = gpu[name];
    return typeof value === 'string' ? value : undefined;
  };

const columns: Columns<SnapshotItem> = {
  ID: ({ gpu_id }) => gpu_id,
  PRODUCT: (item) => field('product')(item) ?? field('model')(item),
  HEALTH: (item) => word(field('health')(item) ?? ''),
  STATUS: field('status'),
  REGION: field('region'),
  NODE: field('node_id'),
  SINCE: ({ since }) => since,
};

const totalColumns: Columns<SnapshotTotal> = {
  PRODUCT: ({ product }) => product,
  HEALTH: ({ health }) => word(health),
  GPUS: ({ gpus }) => gpus,
};

/** `at` is ISO 8601. */
export async function showSnapshot(
  client: Client,
  json: boolean,
  { at, summary, limit }: { at: string; summary: boolean; limit: number },
): Promise<void> {
  const query = { at, ...(summary ? { summary: true } : {}), ...pageFor(limit) };
  const first = await client.call('GET /inventory/snapshot', { query });
  const items = await others(client, at, first, limit);
  const { seq, summary: totals = [] } = first;
  if (json) return printJson({ at: first.at, seq, items, ...(summary ? { summary: totals } : {}) });
  if (summary) {
    showList(totals, { json, columns: totalColumns, nothing: 'There was no GPU.' });
    print('');
  }
  showList(items, { json, columns, nothing: 'There was no GPU.' });
}

/** All items up to the limit. */
async function others(client: Client, at: string, first: SnapshotPage, limit: number): Promise<SnapshotItem[]> {
  const items = [...first.items];
  let cursor = first.next_cursor;
  while (cursor !== null && items.length <= limit) {
    const page = await client.call('GET /inventory/snapshot', { query: { at, cursor, ...pageFor(limit) } });
    items.push(...page.items);
    cursor = page.next_cursor;
  }
  if (items.length > limit) remark(`There are more than ${limit}; --limit shows more.`);
  return items.slice(0, limit);
}
