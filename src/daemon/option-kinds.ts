// The kinds of option a daemon can have: how each reads, checks and shows its value.
import { formatDuration, parseDuration } from './duration.ts';
import { messageOf, optionInvalid, optionWithoutDefault } from './errors.ts';

/** One option. `Value` is what the program gets. */
export interface Option<Value> {
  readonly description: string;
  /** What may be given, to end the sentence "give …". */
  readonly allowed: string;
  /** The value if nothing gives one; may throw a CodedError where it depends on the user or the machine. */
  readonly fallback: () => Value;
  /** The default as `--help` shows it. */
  readonly fallbackText: string;
  /** Whether the flag alone means `true`. */
  readonly isSwitch: boolean;
  /** Whether several flags add up, joined by commas. */
  readonly repeatable: boolean;
  /** Variables that feed this option besides `GPUBROKER_…` and `DEVICE_API_…`; they come after those. */
  readonly variables: readonly string[];
  /** The value, or undefined if the text is not allowed. */
  readonly parse: (text: string) => Value | undefined;
  /** A given text without its secrets, for errors; another text than the one given means that it holds some. */
  readonly redact: (text: string) => string;
  /** The text that `parse` would read as this value. (A method, so that a table may hold options of every type.) */
  format(value: Value): string;
}

/** Options by the names of their flags, in kebab-case. */
export type OptionTable = Readonly<Record<string, Option<unknown>>>;

type Defaults = 'fallbackText' | 'isSwitch' | 'repeatable' | 'variables' | 'redact' | 'format';

/** An option of a kind of its own; `format` and what `--help` shows may be left out where the value is a text. */
export function custom<Value>(
  option: Omit<Option<Value>, Defaults> & Partial<Pick<Option<Value>, Defaults>>,
): Option<Value> {
  const { format = String } = option;
  return {
    isSwitch: false,
    repeatable: false,
    variables: [],
    redact: (text) => text,
    fallbackText: option.fallbackText ?? (format(option.fallback()) || 'none'),
    format,
    ...option,
  };
}

interface Described<Value> {
  readonly description: string;
  readonly default: Value;
}

/** A text; without `allowed` and `check`, any but the empty one. */
export function text(
  spec: Described<string> & { readonly allowed?: string; readonly check?: (value: string) => boolean },
): Option<string> {
  const { description, allowed = 'a text', check = (value: string) => value !== '' } = spec;
  return custom({
    description,
    allowed,
    fallback: () => spec.default,
    parse: (value) => (check(value) ? value : undefined),
  });
}

/** A path; the empty text is allowed only where it is the default, and means "none". */
export function path(spec: Described<string> & { readonly maxBytes?: number }): Option<string> {
  const { maxBytes = 4095 } = spec;
  const limit = spec.maxBytes === undefined ? '' : ` of at most ${maxBytes} bytes`;
  return text({
    ...spec,
    allowed: `a path${limit}${spec.default === '' ? ', or nothing for none' : ''}`,
    check: (value) => (value !== '' || spec.default === '') && Buffer.byteLength(value) <= maxBytes,
  });
}

/** A whole number from `min` to `max`. */
export function integer(spec: Described<number> & { readonly min: number; readonly max: number }): Option<number> {
  return custom({
    description: spec.description,
    allowed: `a whole number from ${spec.min} to ${spec.max}`,
    fallback: () => spec.default,
    parse: (value) => within(spec, /^-?\d+$/.test(value) ? Number(value) : undefined),
  });
}

/** A duration from `min` to `max`, all three written with their unit. The value is in milliseconds. */
export function duration(spec: Described<string> & { readonly min: string; readonly max: string }): Option<number> {
  const range = { min: exactDuration(spec.min), max: exactDuration(spec.max) };
  return custom({
    description: spec.description,
    allowed: `a duration from ${spec.min} to ${spec.max} with its unit (ms, s, m or h)`,
    fallback: () => exactDuration(spec.default),
    parse: (value) => within(range, parseDuration(value)),
    format: formatDuration,
  });
}

const byteUnits: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** A number of bytes from `min` to `max`, all three written with their unit. */
export function size(spec: Described<string> & { readonly min: string; readonly max: string }): Option<number> {
  const range = { min: exactSize(spec.min), max: exactSize(spec.max) };
  return custom({
    description: spec.description,
    allowed: `a size from ${spec.min} to ${spec.max} with its unit (${anyOf(Object.keys(byteUnits))})`,
    fallback: () => exactSize(spec.default),
    parse: (value) => within(range, parseSize(value)),
    format: (bytes) => {
      const [unit = 'KiB', factor = 1024] = Object.entries(byteUnits).findLast(([, many]) => bytes % many === 0) ?? [];
      return `${bytes / factor}${unit}`;
    },
  });
}

/** A switch: the flag alone turns it on. */
export function flag(spec: Described<boolean>): Option<boolean> {
  return custom({
    description: spec.description,
    allowed: 'true or false',
    isSwitch: true,
    fallback: () => spec.default,
    parse: (value) => (value === 'true' ? true : value === 'false' ? false : undefined),
  });
}

/** One of a few words. */
export function choice<const Word extends string>(
  spec: Described<NoInfer<Word>> & { readonly choices: readonly Word[] },
): Option<Word> {
  return custom<Word>({
    description: spec.description,
    allowed: anyOf(spec.choices),
    fallback: () => spec.default,
    parse: (value) => spec.choices.find((word) => word === value),
  });
}

/** The permissions of a file, in octal. */
export function fileMode(spec: Described<number>): Option<number> {
  return custom({
    description: spec.description,
    allowed: 'a file mode in octal, for instance 0660',
    fallback: () => spec.default,
    parse: (value) => (/^(?:0o?)?[0-7]{3}$/.test(value) ? Number.parseInt(value.slice(-3), 8) : undefined),
    format: (mode) => mode.toString(8).padStart(4, '0'),
  });
}

/** A default that depends on the user or the machine: found out only where nothing gives the option. */
export interface FoundDefault {
  /** The value as on the command line; undefined for the default that the table had. May throw. */
  readonly find: () => string | undefined;
  /** What `--help` shows in its place. */
  readonly shown: string;
}

/**
 * A table with other defaults, each written as on the command line. The fallback of a {@link FoundDefault} throws a
 * CodedError where what is found is not allowed, or nothing can be found.
 */
export function withDefaults<Table extends OptionTable>(
  table: Table,
  defaults: Readonly<Partial<Record<keyof Table, string | FoundDefault>>>,
): Table {
  const changed = Object.entries(defaults).map(([name, given]) => {
    const option = table[name];
    if (!option || given === undefined) throw new Error(`${name} is no option`);
    return [name, typeof given === 'string' ? withDefault(option, given) : withFoundDefault(name, option, given)];
  });
  return { ...table, ...Object.fromEntries(changed) };
}

function withDefault(option: Option<unknown>, text: string): Option<unknown> {
  const value = option.parse(text);
  if (value === undefined) throw new Error(`${text} is no default: give ${option.allowed}`);
  return { ...option, fallback: () => value, fallbackText: option.format(value) || 'none' };
}

function withFoundDefault(name: string, option: Option<unknown>, { find, shown }: FoundDefault): Option<unknown> {
  const fallback = () => {
    const text = foundText(name, find);
    if (text === undefined) return option.fallback();
    const value = option.parse(text);
    if (value === undefined) throw optionInvalid(name, text, 'default', option.allowed);
    return value;
  };
  return { ...option, fallback, fallbackText: shown };
}

function foundText(name: string, find: () => string | undefined): string | undefined {
  try {
    return find();
  } catch (error) {
    throw optionWithoutDefault(name, messageOf(error));
  }
}

/** `a, b or c`. */
export function anyOf(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function within(range: { min: number; max: number }, value: number | undefined): number | undefined {
  return value !== undefined && value >= range.min && value <= range.max ? value : undefined;
}

function parseSize(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,6})(KiB|MiB|GiB)$/.exec(text) ?? [];
  const factor = byteUnits[unit];
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}

function exactSize(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined) throw new Error(`"${text}" in an option table is not a size`);
  return bytes;
}

function exactDuration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new Error(`"${text}" in an option table is not a duration`);
  return ms;
}
