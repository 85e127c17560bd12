// `gpubroker gpus search`: GPUs of all nodes, by every attribute that the API can search.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Gpu, GpuQuery } from '../../api/gpus.ts';
import type { Client } from '../../client/client.ts';
import { gpuFilterFlags, gpuSortFields } from './gpu-filters.ts';
import { type Columns, collect, pageFor, showList, word } from './show.ts';

export const gpuColumns: Columns<Gpu> = {
  ID: ({ id }) => id,
  PRODUCT: ({ product, model }) => product ?? model,
  HEALTH: ({ health }) => word(health),
  STATUS: ({ status }) => status,
  LABEL: ({ label }) => label,
  REGION: ({ region }) => region,
  NODE: ({ node_id }) => node_id,
  REASON: ({ conditions, health }) => (health === 'healthy' ? '' : reasonOf(conditions)),
};

/** A flag for every filter of the API: `--memory-gb-min` for `memory_gb_min`. */
export function addFilters(command: Command): Command {
  for (const [name, { description = '', choices, isSwitch, isNumber }] of Object.entries(gpuFilterFlags)) {
    const value = isSwitch ? ' [yes|no]' : isNumber ? ' <number>' : ' <value>';
    const option = new Option(`--${name.replaceAll('_', '-')}${value}`, description);
    if (choices) option.choices(choices);
    if (isSwitch) option.preset('yes').argParser(yesOrNo);
    if (isNumber) option.argParser(numberOf);
    command.addOption(option);
  }
  return command;
}

/** Flags for the order of what is found. */
export function addOrder(command: Command): Command {
  return command
    .addOption(new Option('--sort <field>', 'what to sort by').choices(gpuSortFields))
    .addOption(new Option('--order <order>', 'which way').choices(['asc', 'desc']));
}

/** The filters among the flags, under the names that the API has for them. */
export function filtersOf(flags: Readonly<Record<string, unknown>>): GpuQuery {
  const names = [...Object.keys(gpuFilterFlags), 'sort', 'order'];
  const given = names.map((name) => [name, flags[camelCase(name)]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined)) as GpuQuery;
}

export async function searchGpus(client: Client, json: boolean, query: GpuQuery, limit: number): Promise<void> {
  const items = await collect(client.all('GET /gpus', { query: { ...query, ...pageFor(limit) } }), limit);
  showList(items, { json, columns: gpuColumns, nothing: 'No GPU is like that.' });
}

function reasonOf(conditions: Gpu['conditions']): string {
  const bad = conditions.find(({ status, type }) => status !== 'True' && /(?:Ready|Health)$/.test(type));
  return bad?.reason ?? '';
}

function yesOrNo(text: string): boolean {
  const meaning = { yes: true, true: true, no: false, false: false }[text];
  if (meaning === undefined) throw new InvalidArgumentError('Give yes or no.');
  return meaning;
}

function numberOf(text: string): number {
  const number = /^\d{1,12}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(number)) throw new InvalidArgumentError('Give a number.');
  return number;
}

function camelCase(name: string): string {
  return name.replace(/_(.)/g, (_match, letter: string) => letter.toUpperCase());
}
