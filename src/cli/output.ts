// What the command line prints: aligned columns for people, JSON for programs, colours on a terminal only.
import { styleText } from 'node:util';
import type { GpuHealth } from '../daemon/health.ts';

type Format = Parameters<typeof styleText>[0];

/** Writes a text to standard output, ended by a newline. */
export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** Writes a remark for people to standard error, out of the way of what a program reads. */
export function remark(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Indented JSON. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, jsonValue, 2));
}

/** JSON on one line. */
export function printJsonLine(value: unknown): void {
  print(JSON.stringify(value, jsonValue));
}

/** A bigint becomes a number where that is exact, else a text. */
function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}

/** Columns as wide as their widest cell, two spaces apart; the first row is the heading. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, visibleLength(cell));
  }
  const pad = (cell: string, column: number) => cell + ' '.repeat((widths[column] ?? 0) - visibleLength(cell));
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}

/** Colour on a terminal that wants it (`NO_COLOR` is heeded), else the plain text. */
export function coloured(format: Format, text: string): string {
  return styleText(format, text, { stream: process.stdout });
}

/** The health in its colour. */
export function formatHealth(health: GpuHealth): string {
  const colours = { healthy: 'green', unhealthy: 'red', unknown: 'yellow' } as const;
  return coloured(colours[health], health);
}

function visibleLength(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character starts every colour
  return text.replace(/\u001b\[\d+m/g, '').length;
}
