// Measurements as people read them, and as JSON.
import { throttleReasons } from '../agent/devices/record.ts';
import { medianOf } from '../score/figures.ts';
import type { Figure, Measurement, Range, RunConditions, Unmeasured } from '../wire/gpubroker/device/v1/measurement.ts';
import { coloured, formatTable, oneLine } from './output.ts';
import { absent } from './quantities.ts';

const heading = ['BENCHMARK', 'MEDIAN', 'SPREAD', 'SAMPLES', 'CLOCK', 'POWER', 'TEMPERATURE', 'THROTTLED'];

/** One measurement: whose, when and how, then a row for each figure. */
export function formatMeasurement(measurement: Measurement): string {
  const { gpu, deviceModel, effort, backend, label, id, figures, unmeasured } = measurement;
  const title = `${gpu} (${deviceModel}): ${effort}, ${backend}, ${label}, ${formatTime(measurement.endTime)}, ${id}`;
  return `${oneLine(title)}\n${formatFigures([heading, ...figures.map(rowOf)], unmeasured)}`;
}

/** The table of what was measured, and below it, for they would widen its columns, the reasons why the rest was not. */
export function formatFigures(table: readonly (readonly string[])[], unmeasured: readonly Unmeasured[]): string {
  const measured = table.length > 1 ? table : [];
  const width = Math.max(0, ...measured.map(([name = '']) => name.length));
  const rest = unmeasured.map(({ name, why, message }) => [name.padEnd(width), coloured('yellow', why), message]);
  const tables = [measured, rest].filter((rows) => rows.length > 0);
  return tables.map(formatTable).join('\n');
}

/** For programs: with the medians, and with reasons in place of bits. */
export function viewMeasurement({ figures, ...rest }: Measurement) {
  return {
    ...rest,
    figures: figures.map(({ conditions, ...figure }) => ({
      ...figure,
      median: medianOf(figure.samples),
      conditions: conditions && viewConditions(conditions),
    })),
  };
}

/** A value with its unit, to four digits. */
export function formatFigure(value: number, unit: string): string {
  return unit === 'ratio' ? rounded(value) : `${rounded(value)} ${unit}`;
}

/** The least and the greatest, or the one that they all are. */
export function formatSpread(samples: readonly number[]): string {
  return spread(rounded(Math.min(...samples)), rounded(Math.max(...samples)));
}

/** In UTC, to the second. */
export function formatTime(time: Date | undefined): string {
  return time ? `${time.toISOString().slice(0, 19)}Z` : absent;
}

function viewConditions({ throttleBits, ...conditions }: RunConditions) {
  return { ...conditions, throttleReasons: reasonsOf(throttleBits) };
}

function rowOf({ name, unit, samples, conditions }: Figure): string[] {
  const { smMhz, powerMilliwatts, temperatureCelsius, throttleBits = 0 } = conditions ?? {};
  return [
    name,
    formatFigure(medianOf(samples), unit),
    formatSpread(samples),
    String(samples.length),
    formatRange(smMhz, 'MHz'),
    formatRange(powerMilliwatts, 'W', 1_000),
    formatRange(temperatureCelsius, 'C'),
    reasonsOf(throttleBits).join(', ') || absent,
  ];
}

function formatRange(range: Range | undefined, unit: string, divisor = 1): string {
  if (!range) return absent;
  const [least = '', greatest = ''] = [range.least, range.greatest].map((value) => String(Math.round(value / divisor)));
  return `${spread(least, greatest)} ${unit}`;
}

function spread(least: string, greatest: string): string {
  return least === greatest ? least : `${least}–${greatest}`;
}

function reasonsOf(bits: number): string[] {
  return throttleReasons.filter((_, place) => bits & (1 << place));
}

function rounded(value: number): string {
  return Number(value.toPrecision(4)).toString();
}
