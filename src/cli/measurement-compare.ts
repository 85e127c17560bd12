// `gpubroker bench compare`: the newest measurement of a GPU against its own earlier ones, another one, or another GPU.
import { type FigureName, figureNames, isBetterLow, medianOf, type Unit, units } from '../score/figures.ts';
import { toleranceOf } from '../score/spread.ts';
import type { Measurement } from '../wire/gpubroker/device/v1/measurement.ts';
import { notMeasured } from './errors.ts';
import { formatFigure } from './measurement-view.ts';
import type { NodeClient } from './node-client.ts';
import { coloured, formatTable, oneLine, print, printJson } from './output.ts';
import { absent } from './quantities.ts';

/** With what it is compared; by default with the GPU's own earlier measurements. */
export interface Choice {
  /** A measurement's id. */
  readonly with?: string;
  readonly withGpu?: string;
}

/** What a measurement is held against. */
interface Baseline {
  readonly kind: 'history' | 'measurement' | 'gpu';
  /** For people. */
  readonly title: string;
  /** The ids of the measurements that it comes from. */
  readonly measurements: readonly string[];
  /** Of each figure, the values whose median counts, and whose spread says what is usual. */
  readonly values: ReadonlyMap<FigureName, readonly number[]>;
}

/** `missing`: the baseline has it, and it was not measured. Of errors, more are `worse`; they have no speed. */
type Verdict = 'same' | 'slower' | 'faster' | 'worse' | 'missing' | 'new';

/** One figure beside what it is compared with. */
export interface ComparedFigure {
  readonly name: FigureName;
  readonly unit: Unit;
  readonly newest?: number;
  readonly baseline?: number;
  /** The speed by that of the baseline: below 1 is slower, also of figures of which less is better. */
  readonly ratio?: number;
  /** How far from 1 is nothing to speak of. */
  readonly tolerance?: number;
  readonly verdict: Verdict;
}

/** Prints the comparison. @throws CodedError where there is nothing to compare */
export async function compareMeasurements(
  client: NodeClient,
  gpu: string,
  choice: Choice,
  json: boolean,
): Promise<void> {
  const [newest, ...earlier] = await client.listMeasurements(gpu, 0);
  if (!newest) throw notMeasured(`${gpu} has not been measured`);
  const baseline = await baselineOf(client, newest, earlier, choice);
  const figures = compareFigures(newest, baseline.values);
  const { kind, measurements } = baseline;
  if (json) printJson({ gpu: newest.gpu, measurement: newest.id, with: { kind, measurements }, figures });
  else print(formatComparison(newest, baseline, figures));
}

/** In the order of the figures' names. */
export function compareFigures(newest: Measurement, baseline: Baseline['values']): ComparedFigure[] {
  return figureNames.flatMap((name) => {
    const samples = newest.figures.find((figure) => figure.name === name)?.samples;
    const values = baseline.get(name);
    return samples || values ? [compared(name, samples && medianOf(samples), values)] : [];
  });
}

function compared(name: FigureName, newest: number | undefined, values: readonly number[] | undefined): ComparedFigure {
  const known = { name, unit: units[name] };
  if (newest === undefined) return { ...known, baseline: medianOf(values ?? []), verdict: 'missing' };
  if (!values) return { ...known, newest, verdict: 'new' };
  const baseline = medianOf(values);
  if (units[name] === 'errors') return { ...known, newest, baseline, verdict: newest > baseline ? 'worse' : 'same' };
  const ratio = isBetterLow(name) ? baseline / newest : newest / baseline;
  const tolerance = toleranceOf(values);
  return { ...known, newest, baseline, ratio, tolerance, verdict: verdictOf(ratio, tolerance) };
}

function verdictOf(ratio: number, tolerance: number): Verdict {
  if (ratio < 1 - tolerance) return 'slower';
  return ratio > 1 + tolerance ? 'faster' : 'same';
}

async function baselineOf(
  client: NodeClient,
  newest: Measurement,
  earlier: readonly Measurement[],
  choice: Choice,
): Promise<Baseline> {
  if (choice.with !== undefined) return ofMeasurement(client, choice.with);
  if (choice.withGpu !== undefined) return ofGpu(client, newest, choice.withGpu);
  const alike = earlier.filter((one) => isAlike(one, newest));
  if (alike.length === 0) throw notMeasured(`${newest.gpu} has not been measured before in the same way`);
  const title = alike.length === 1 ? 'the one before' : `the median of the ${alike.length} before`;
  return { kind: 'history', title, ...valuesOf(alike, ({ samples }) => [medianOf(samples)]) };
}

async function ofMeasurement(client: NodeClient, id: string): Promise<Baseline> {
  const found = (await client.listMeasurements('', 0)).find((one) => one.id === id);
  if (!found) throw notMeasured(`no measurement ${id} is kept`);
  const title = `${id}, of ${found.gpu}`;
  return { kind: 'measurement', title, ...valuesOf([found], ({ samples }) => samples) };
}

async function ofGpu(client: NodeClient, newest: Measurement, gpu: string): Promise<Baseline> {
  const found = (await client.listMeasurements(gpu, 0)).find((one) => isAlike(one, newest));
  if (!found) throw notMeasured(`${gpu} has not been measured in the same way`);
  return { kind: 'gpu', title: found.gpu, ...valuesOf([found], ({ samples }) => samples) };
}

/** Whether figures may be compared: other efforts and interfaces come to others. */
function isAlike(one: Measurement, other: Measurement): boolean {
  return one.effort === other.effort && one.backend === other.backend;
}

function valuesOf(
  all: readonly Measurement[],
  take: (figure: Measurement['figures'][number]) => readonly number[],
): Pick<Baseline, 'measurements' | 'values'> {
  const values = new Map<FigureName, readonly number[]>();
  for (const name of figureNames) {
    const found = all.flatMap(({ figures }) => figures.filter((figure) => figure.name === name).flatMap(take));
    if (found.length > 0) values.set(name, found);
  }
  return { measurements: all.map(({ id }) => id), values };
}

function formatComparison(newest: Measurement, { title }: Baseline, figures: readonly ComparedFigure[]): string {
  const head = oneLine(`${newest.gpu}, measured ${newest.id}, beside ${title}`);
  return `${head}\n${formatTable([['BENCHMARK', 'NEWEST', 'BESIDE', 'SPEED', ''], ...figures.map(rowOf)])}`;
}

function rowOf({ name, unit, newest, baseline, ratio, verdict }: ComparedFigure): string[] {
  const shown = (value: number | undefined) => (value === undefined ? absent : formatFigure(value, unit));
  const speed = ratio === undefined ? absent : `${(100 * ratio).toFixed(1)} %`;
  return [name, shown(newest), shown(baseline), speed, formatVerdict(verdict)];
}

function formatVerdict(verdict: Verdict): string {
  if (verdict === 'same' || verdict === 'new') return '';
  return coloured(verdict === 'faster' ? 'green' : 'red', verdict);
}
