// What nodes measured of their GPUs: checked, and handed to whoever keeps it. A bad one costs a node no more than
// that one: its stream goes on.
import type { Measurement } from '../../../wire/gpubroker/device/v1/measurement.ts';
import { isId } from '../../ids.ts';
import type { Refusal } from '../../refusal.ts';
import type { LinkContext } from './context.ts';
import { readMeasurement } from './measurement-check.ts';
import { violation } from './messages.ts';
import { refusalOf } from './status.ts';

/** Keeps measurements. */
export interface MeasurementIntake {
  /**
   * Resolves once it is committed. One that is stored already changes nothing, also while it is being stored.
   *
   * @throws Refusal `invalid` or `not-found` where it never will be; `unavailable` where it may be sent again
   */
  take(nodeId: string, measurement: Measurement): Promise<void>;
}

/** `limited`: more than a node may send. `unavailable`: it could not be stored now. Both come again. */
export type MeasurementOutcome = 'stored' | 'refused' | 'limited' | 'unavailable';

/**
 * Takes one, and resolves with whether the node need not send it again: it is stored, or never will be.
 *
 * @throws Refusal for an id that is none, so that nothing can be answered
 */
export async function takeMeasurement(
  context: LinkContext,
  nodeId: string,
  measurement: Measurement,
  at: Date,
): Promise<boolean> {
  if (!isId(measurement.id)) throw violation('measurement.id is not a UUID');
  const outcome = await outcomeOf(context, nodeId, measurement, at);
  context.metrics.measurements[outcome] += 1;
  return outcome === 'stored' || outcome === 'refused';
}

async function outcomeOf(
  context: LinkContext,
  nodeId: string,
  measurement: Measurement,
  at: Date,
): Promise<MeasurementOutcome> {
  const { measurements, measurementAllowances, limits, log } = context;
  if (!measurements) return 'unavailable';
  if (!measurementAllowances.take(nodeId, at.getTime())) return 'limited';
  try {
    await measurements.take(nodeId, readMeasurement(measurement, limits));
    return 'stored';
  } catch (error) {
    const refusal = refusalOf(error, log, 'a measurement');
    if (isPassing(refusal)) return 'unavailable';
    const { code, message: reason } = refusal;
    log.warn({ nodeId, measurement: measurement.id, code, reason }, 'a measurement is refused');
    return 'refused';
  }
}

function isPassing({ kind }: Refusal): boolean {
  return kind === 'unavailable' || kind === 'too-many';
}
