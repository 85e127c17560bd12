// Which measurements of nodes are taken: those that say of which GPU, when, how and what, within limits.
import { type FigureName, figureNames, units } from '../../../score/figures.ts';
import type {
  Figure,
  Measurement,
  Range,
  RunConditions,
  Unmeasured,
} from '../../../wire/gpubroker/device/v1/measurement.ts';
import type { NodeLinkLimits } from './limits.ts';
import { checkCount, checkText, checkTime, violation } from './messages.ts';

const efforts = ['quick', 'normal', 'thorough'];
const backends = ['cuda', 'opencl'];
/** What a node can say of itself: other labels are the broker's to give. */
const labels = ['simulated', 'self-reported'];
const reasons = ['unsupported', 'failed'];

/**
 * The measurement without figures of names that this version does not know: they are of a later one.
 *
 * @throws Refusal naming the field that is wrong
 */
export function readMeasurement(measurement: Measurement, limits: NodeLinkLimits): Measurement {
  const { gpu, startTime, endTime, effort, backend, label } = measurement;
  checkText('measurement.gpu', gpu, 1, limits.nameLength);
  checkTime('measurement.start_time', startTime);
  checkTime('measurement.end_time', endTime);
  if (startTime && endTime && startTime > endTime) throw violation('measurement.end_time is before its start_time');
  checkOneOf('measurement.effort', effort, efforts);
  checkOneOf('measurement.backend', backend, backends);
  checkOneOf('measurement.label', label, labels);
  checkText('measurement.device_model', measurement.deviceModel, 0, limits.nameLength);
  checkText('measurement.driver_version', measurement.driverVersion, 0, limits.nameLength);
  checkText('measurement.agent_version', measurement.agentVersion, 0, limits.nameLength);
  checkCount('measurement.figures', measurement.figures.length, limits.figures);
  checkCount('measurement.unmeasured', measurement.unmeasured.length, limits.figures);
  const figures = measurement.figures.filter(isKnown);
  const unmeasured = measurement.unmeasured.filter(isKnown);
  checkOnce([...figures, ...unmeasured]);
  for (const figure of figures) checkFigure(figure, limits);
  for (const one of unmeasured) checkUnmeasured(one, limits);
  return { ...measurement, figures, unmeasured };
}

function isKnown<Named extends { name: string }>(one: Named): one is Named & { name: FigureName } {
  return figureNames.some((name) => name === one.name);
}

function checkOnce(named: readonly { name: FigureName }[]): void {
  const names = new Set<string>();
  for (const { name } of named) {
    if (names.has(name)) throw violation(`measurement names ${name} twice`);
    names.add(name);
  }
}

function checkFigure({ name, unit, samples, conditions }: Figure & { name: FigureName }, limits: NodeLinkLimits): void {
  checkOneOf(`measurement: the unit of ${name}`, unit, [units[name]]);
  if (samples.length === 0) throw violation(`measurement: ${name} has no samples`);
  checkCount(`measurement: the samples of ${name}`, samples.length, limits.samplesPerFigure);
  if (!samples.every((sample) => Number.isFinite(sample) && sample >= 0))
    throw violation(`measurement: a sample of ${name} is not a number from 0 on`);
  if (conditions) checkConditions(name, conditions);
}

function checkConditions(name: FigureName, conditions: RunConditions): void {
  const { smMhz, memoryMhz, powerMilliwatts, temperatureCelsius } = conditions;
  for (const range of [smMhz, memoryMhz, powerMilliwatts, temperatureCelsius]) {
    if (range && isReversed(range)) throw violation(`measurement: a range of ${name} ends before it begins`);
  }
}

function isReversed({ least, greatest }: Range): boolean {
  return least > greatest;
}

function checkUnmeasured({ name, why, message }: Unmeasured & { name: FigureName }, limits: NodeLinkLimits): void {
  checkOneOf(`measurement: why ${name} was not measured`, why, reasons);
  checkText(`measurement: the message of ${name}`, message, 0, limits.reasonLength);
}

function checkOneOf(field: string, value: string, allowed: readonly string[]): void {
  if (allowed.includes(value)) return;
  throw violation(`${field}: ${JSON.stringify(value.slice(0, 80))} is not allowed; ${allowed.join(', ')} are`);
}
