// Shows the figures to people as a table, and to programs as JSON.
import { writeFileSync } from 'node:fs';
import Table from 'cli-table3';
import { type Figure, type Findings, isMet, ratio } from './figures.ts';
import type { Sample } from './statistics.ts';

export function printReport(machine: string, { figures, notes }: Findings): void {
  const table = new Table({
    head: ['', 'figure', 'unit', 'ours', 'peer', 'ratio', 'budget', ''],
    colAligns: ['left', 'left', 'left', 'right', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [] },
  });
  for (const figure of figures) table.push(row(figure));
  process.stdout.write(`${machine}\n${table.toString()}\nmedian (least–most)\n`);
  for (const note of notes) process.stdout.write(`${note}\n`);
}

export function writeJson(file: string, machine: string, { figures, notes }: Findings): void {
  const rows = figures.map((figure) => ({ ...figure, ratio: ratio(figure), met: isMet(figure) }));
  const report = { time: new Date().toISOString(), machine, figures: rows, notes };
  writeFileSync(file, `${JSON.stringify(report, undefined, 2)}\n`);
}

function row(figure: Figure): string[] {
  const measured = ratio(figure);
  return [
    figure.row,
    figure.name,
    figure.unit,
    spread(figure.ours),
    figure.peer === undefined ? '' : spread(figure.peer),
    measured === undefined ? '' : `${measured.toFixed(2)}×`,
    budget(figure),
    { true: 'met', false: 'MISSED', undefined: '' }[String(isMet(figure))] ?? '',
  ];
}

function budget({ budget }: Figure): string {
  if (budget === undefined) return '';
  return 'ratio' in budget ? `≤ ${budget.ratio}×` : `≤ ${budget.limit}`;
}

function spread({ median, min, max }: Sample): string {
  return min === max ? digits(median) : `${digits(median)} (${digits(min)}–${digits(max)})`;
}

function digits(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
