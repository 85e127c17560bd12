// What the command line prints: aligned columns for people, JSON for programs, colours on a terminal only.
import { styleText } from 'node:util';
import type { GpuHealth } from '../daemon/health.ts';

type Format = Parameters<typeof styleText>[0];

/** What a terminal obeys instead of showing: C0, DEL, C1, line separators, and what turns the direction of text. */
const obeyed = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
/** A stretch of text in a colour, perhaps ours, or one character that a terminal obeys. */
const colouredOrObeyed = new RegExp(`\u001b\\[\\d+m[^\u001b]*\u001b\\[\\d+m|${obeyed.source}`, 'gu');
/** All that {@link coloured} made: the only escapes that reach the terminal. */
const ours = new Set<string>();

/** Writes a text to standard output, ended by a newline. */
export function print(text: string): void {
  // Line by line: what may break a line has been made visible where the line was made.
  write(text.split('\n').map(oneLine).join('\n'));
}

/** A picture that takes the place of the one before it, on a terminal. */
export interface Screen {
  /** Shows the lines; what does not fit is left out. */
  show(lines: readonly string[]): void;
  /** Gives the terminal back, with what stood there before, and the last picture below it. */
  close(): void;
}

/** Takes the terminal over until it is closed. */
export function openScreen(): Screen {
  const { stdout } = process;
  let picture: readonly string[] = [];
  const draw = () => {
    const { columns, rows } = stdout;
    // Each line ends what was longer there before; nothing blinks, for nothing is cleared beforehand.
    const shown = picture.slice(0, rows - 1).map((line) => `${fitted(oneLine(line), columns)}\u001b[K\n`);
    stdout.write(`\u001b[H${shown.join('')}\u001b[J`);
  };
  stdout.write('\u001b[?1049h\u001b[?25l');
  stdout.on('resize', draw);
  return {
    show: (lines) => {
      picture = lines;
      draw();
    },
    close: () => {
      stdout.off('resize', draw);
      stdout.write('\u001b[?25h\u001b[?1049l');
      if (picture.length > 0) print(picture.join('\n'));
    },
  };
}

/** As much of a line as fits; one with colours that does not fit loses them. */
export function fitted(line: string, columns: number): string {
  return visibleLength(line) <= columns ? line : withoutColours(line).slice(0, columns);
}

/** Writes a remark for people to standard error, out of the way of what a program reads. */
export function remark(text: string): void {
  process.stderr.write(`${oneLine(text)}\n`);
}

/**
 * The text without what a terminal would obey: providers and daemons choose what their messages say, but not what the
 * operator's terminal does. Each such character becomes its picture, for instance `␛` and `␊`, or `�`.
 */
export function oneLine(text: string): string {
  return text.replace(colouredOrObeyed, (found) => (ours.has(found) ? found : found.replace(obeyed, picture)));
}

function picture(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? '\u2421' : '\ufffd';
}

/** Indented JSON. */
export function printJson(value: unknown): void {
  write(toJson(value, 2));
}

/** JSON on one line. */
export function printJsonLine(value: unknown): void {
  write(toJson(value));
}

function write(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** JSON escapes C0 by itself; DEL and C1 are as dangerous to a terminal. */
function toJson(value: unknown, indent?: number): string {
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value, jsonValue, indent).replace(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, escaped);
}

/** A bigint becomes a number where that is exact, else a text. */
function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}

/** Columns as wide as their widest cell, two spaces apart; the first row is the heading. */
export function formatTable(table: readonly (readonly string[])[]): string {
  const rows = table.map((row) => row.map(oneLine));
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, visibleLength(cell));
  }
  const pad = (cell: string, column: number) => cell + ' '.repeat((widths[column] ?? 0) - visibleLength(cell));
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}

/** Colour on a terminal that wants it (`NO_COLOR` is heeded), else the plain text. */
export function coloured(format: Format, text: string): string {
  const styled = styleText(format, oneLine(text), { stream: process.stdout });
  ours.add(styled);
  return styled;
}

/** The health in its colour. */
export function formatHealth(health: GpuHealth): string {
  const colours = { healthy: 'green', unhealthy: 'red', unknown: 'yellow' } as const;
  return coloured(colours[health], health);
}

function visibleLength(text: string): number {
  return withoutColours(text).length;
}

function withoutColours(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character starts every colour
  return text.replace(/\u001b\[\d+m/g, '');
}
