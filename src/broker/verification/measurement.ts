// What a node measured, as it is kept: its figures, and the evidence of how they were taken. Nodes are not trusted.
import { type FigureName, figureNames, type Samples, units } from '../../score/figures.ts';
import type { Results } from '../../score/score.ts';
import type { Figure, Measurement, Unmeasured } from '../../wire/gpubroker/device/v1/measurement.ts';
import { isId } from '../ids.ts';
import { invalid } from '../refusal.ts';
import { storableText } from '../registry/ingest/storable.ts';
import { writtenConditions } from './run-conditions.ts';

/** By what devices are measured. */
const backends: readonly string[] = ['cuda', 'opencl'];
/** Of a figure. The most thorough run takes 11. */
export const mostSamples = 256;
/** Characters of a name or version. */
const textLength = 253;
const messageLength = 500;

/** What a measurement came to, of figures whose names are known. */
export interface ReadResults extends Results {
  readonly unmeasured: readonly (Results['unmeasured'][number] & { readonly message: string | null })[];
}

/**
 * Reads it; figures come in the order of {@link figureNames}.
 * @throws Refusal `invalid` for an id or interface that is none, samples that are no figures or too many, a figure that
 *   comes twice
 */
export function readResults({ id, backend, figures, unmeasured }: Measurement): ReadResults {
  if (!isId(id)) throw invalid('measurement.id', id.slice(0, 64), 'a UUID');
  if (!backends.includes(backend)) throw invalid('measurement.backend', backend.slice(0, 20), backends.join(' or '));
  return { figures: readFigures(figures), unmeasured: readUnmeasured(unmeasured) };
}

function readUnmeasured(given: readonly Unmeasured[]): ReadResults['unmeasured'] {
  return figureNames.flatMap((name) => {
    const one = given.find((unmeasured) => unmeasured.name === name);
    if (!one) return [];
    const why = one.why === 'unsupported' ? one.why : ('failed' as const);
    return [{ name, why, message: storableText(one.message, messageLength) }];
  });
}

function readFigures(figures: readonly Figure[]): Samples[] {
  const found = new Map<FigureName, Samples>();
  for (const figure of figures) {
    const name = figureNames.find((one) => one === figure.name);
    if (name === undefined) continue;
    if (found.has(name)) throw invalid('measurement.figures', name, 'each figure once');
    found.set(name, readFigure(figure, name));
  }
  return figureNames.flatMap((name) => found.get(name) ?? []);
}

function readFigure({ unit, samples }: Figure, name: FigureName): Samples {
  const field = `measurement.figures.${name}`;
  if (unit !== units[name]) throw invalid(`${field}.unit`, unit.slice(0, 20), units[name]);
  if (samples.length === 0 || samples.length > mostSamples) {
    throw invalid(`${field}.samples`, samples.length, `1 to ${mostSamples} samples`);
  }
  const odd = samples.find((value) => !Number.isFinite(value) || value < 0);
  if (odd !== undefined) throw invalid(`${field}.samples`, String(odd), 'numbers from 0 on');
  return { name, samples };
}

/** How the figures were taken, as plain JSON. */
export function evidenceOf(measurement: Measurement): Record<string, unknown> {
  const text = (given: string) => storableText(given, textLength);
  const { figures } = measurement;
  const conditions = figureNames.flatMap((name) => {
    const found = figures.find((figure) => figure.name === name)?.conditions;
    return found ? [[name, writtenConditions(found, ({ least, greatest }) => ({ least, greatest }))]] : [];
  });
  return {
    backend: text(measurement.backend),
    device_model: text(measurement.deviceModel),
    driver_version: text(measurement.driverVersion),
    agent_version: text(measurement.agentVersion),
    node_label: text(measurement.label),
    conditions: Object.fromEntries(conditions),
  };
}
