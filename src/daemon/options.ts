// The options of a daemon: flag, then environment, then YAML file, then default; checked, typed and frozen.
import { CodedError, OptionsError, optionInvalid } from './errors.ts';
import { readOptionFile } from './option-file.ts';
import { readFlags } from './option-flags.ts';
import type { Option, OptionTable } from './option-kinds.ts';
import { nearest } from './suggestion.ts';

/** `shutdown-delay` → `shutdownDelay`. */
type CamelCase<Name> = Name extends `${infer Head}-${infer Tail}` ? `${Head}${Capitalize<CamelCase<Tail>>}` : Name;

/** The values of a table's options, under the names of the flags in camelCase. */
export type OptionValues<Table extends OptionTable> = {
  readonly [Name in keyof Table as CamelCase<Name>]: Table[Name] extends Option<infer Value> ? Value : never;
};

/** A daemon's options, and the rules that hold between them. */
export interface OptionSet<Values> {
  readonly table: OptionTable;
  /** Yields an error for every rule that the values break; each value is allowed on its own. */
  readonly rules: (values: Values) => Iterable<CodedError>;
}

/** Makes a set whose values have the types of the table's options. */
export function optionSet<Table extends OptionTable>(
  table: Table,
  rules: (values: OptionValues<Table>) => Iterable<CodedError> = () => [],
): OptionSet<OptionValues<Table>> {
  return { table, rules };
}

/** Where a value came from, for instance `flag --health-port` or `environment GPUBROKER_HEALTH_PORT`. */
interface Setting {
  readonly key: string;
  /** As it would be written on the command line. */
  readonly value: string;
  readonly source: string;
}

export interface ResolvedOptions<Values> {
  /** Frozen; durations in milliseconds. */
  readonly values: Values;
  /** Every option in the order of the table. */
  readonly settings: readonly Setting[];
  /** What looks like a mistake but stops nothing. */
  readonly warnings: readonly string[];
}

/** What options are read from besides the file; by default those of this process. */
interface OptionInput {
  readonly argv: readonly string[];
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** In this order: the first that is set wins. */
const prefixes = ['GPUBROKER_', 'DEVICE_API_'];

/** Variables with our prefix that are no daemon's option. */
const otherVariables = new Set([
  'GPUBROKER_SOCKET',
  'GPUBROKER_API_URL',
  'GPUBROKER_API_KEY',
  'GPUBROKER_API_CA',
  'GPUBROKER_CACHE_DIR',
]);

/**
 * Finds the value of every option.
 * @throws OptionsError with every problem found.
 */
export function resolveOptions<Values>(
  { table, rules }: OptionSet<Values>,
  { argv, environment = process.env }: OptionInput,
): ResolvedOptions<Values> {
  const errors: CodedError[] = [];
  const given = readFlags(table, argv, errors);
  const flags: Layer = (name) => found(given.get(name), `flag --${name}`);
  const variables: Layer = (name, option) => readVariables(name, option, environment);
  const file = configFile(table, [flags, variables]);
  const texts = file === '' ? new Map<string, string>() : readOptionFile(table, file, errors);
  const layers = [flags, variables, (name: string) => found(texts.get(name), `file ${file}`)];

  const values: Record<string, unknown> = {};
  const settings: Setting[] = [];
  for (const [name, option] of Object.entries(table)) {
    const resolved = resolveOne(name, option, layers, errors);
    if (!resolved) continue;
    values[camelCase(name)] = Object.freeze(resolved.value);
    settings.push({ key: name, value: option.format(resolved.value), source: resolved.source });
  }
  const typed = Object.freeze(values) as Values;
  if (errors.length === 0) errors.push(...rules(typed));
  if (errors.length > 0) throw new OptionsError(errors);
  return { values: typed, settings, warnings: [...secretFlags(table, given), ...unknownVariables(table, environment)] };
}

/** Arguments can be read by every user of the machine. */
function secretFlags(table: OptionTable, given: ReadonlyMap<string, string>): string[] {
  return [...given]
    .filter(([name, text]) => table[name] && table[name].redact(text) !== text)
    .map(([name]) => {
      const variable = variableOf(name, 'GPUBROKER_');
      return `--${name}: every user of this machine can read its password: give it as ${variable} or in the file of --config`;
    });
}

/** One place where options may be given. */
type Layer = (name: string, option: Option<unknown>) => { text: string; source: string } | undefined;

function found(text: string | undefined, source: string) {
  return text === undefined ? undefined : { text, source };
}

/** Undefined after a problem, which is in `errors` then. */
function resolveOne(name: string, option: Option<unknown>, layers: readonly Layer[], errors: CodedError[]) {
  for (const layer of layers) {
    const given = layer(name, option);
    if (!given) continue;
    const value = option.parse(given.text);
    if (value !== undefined) return { value, source: given.source };
    errors.push(optionInvalid(name, option.redact(given.text), given.source, option.allowed));
    return undefined;
  }
  try {
    return { value: option.fallback(), source: 'default' };
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    errors.push(error);
    return undefined;
  }
}

function configFile(table: OptionTable, layers: readonly Layer[]): string {
  const option = table.config;
  if (!option) return '';
  return layers.map((layer) => layer('config', option)?.text).find((text) => text !== undefined) ?? '';
}

/** An empty variable counts as unset, unless the option takes the empty text: charts and units often leave one. */
function readVariables(name: string, option: Option<unknown>, environment: Record<string, string | undefined>) {
  for (const variable of [...prefixes.map((prefix) => variableOf(name, prefix)), ...option.variables]) {
    const text = environment[variable];
    if (text === undefined || (text === '' && option.parse('') === undefined)) continue;
    return { text, source: `environment ${variable}` };
  }
  return undefined;
}

function unknownVariables(table: OptionTable, environment: Record<string, string | undefined>): string[] {
  const known = Object.keys(table).map((name) => variableOf(name, 'GPUBROKER_'));
  return Object.keys(environment)
    .filter((name) => name.startsWith('GPUBROKER_') && !known.includes(name) && !otherVariables.has(name))
    .map((name) => {
      const suggestion = nearest(name, known);
      return `environment ${name} is no option of this daemon${suggestion && `; did you mean ${suggestion}?`}`;
    });
}

function variableOf(name: string, prefix: string): string {
  return prefix + name.replaceAll('-', '_').toUpperCase();
}

function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_match, letter: string) => letter.toUpperCase());
}
