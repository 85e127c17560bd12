// Keeps verifications: what nodes measured and what came of challenges, each with what follows for the GPU, its event and
// its incident, in one transaction.
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Registry } from 'prom-client';
import type { Samples } from '../../score/figures.ts';
import type { Measurement } from '../../wire/gpubroker/device/v1/measurement.ts';
import { closeIncidents, reportIncidents } from '../incidents/incidents.ts';
import { invalid, notFound, Refusal } from '../refusal.ts';
import { gpuReport } from '../registry/ingest/incidents.ts';
import { storableText, storableTime } from '../registry/ingest/storable.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { transact } from '../storage/transact.ts';
import type { ProofRecords, ProofResult } from './contract.ts';
import { type Grade, gradeOf, yardstickOf } from './grade.ts';
import type { ProductHistory } from './history.ts';
import { evidenceOf, type ReadResults, readResults } from './measurement.ts';
import { verificationMetrics } from './record-metrics.ts';
import { type LockedGpu, lockGpu, settleGpu, standingOf } from './standing.ts';
import { type NewVerification, removeSurplus, storeSamples, storeVerification } from './storing.ts';

export interface RecordsOptions {
  readonly db: Database;
  readonly now: () => Date;
  readonly registry: Registry;
  /** How long a proof is good for, in milliseconds. */
  readonly proofLifetime: number;
  /** What products are usually measured at. */
  readonly history: ProductHistory;
  /** Called in every transaction; throws where this process may not write any more. */
  readonly leaderCheck?: ((trx: Queryable) => Promise<void>) | undefined;
  /** How long a measurement waits for its GPU to be known, in milliseconds; 5 s by default. */
  readonly patience?: number | undefined;
  /** In [0, 1): spreads the pauses between looks. */
  readonly random?: (() => number) | undefined;
}

/** A node sends what it measured behind its first inventory, which is stored meanwhile. */
const usualPatience = 5_000;
const firstPause = 100;

/** Keeps what nodes measured, and what came of challenges. */
export interface VerificationRecords extends ProofRecords {
  /**
   * Stores a measurement of one of a node's own GPUs. One that is stored already changes nothing.
   * @throws Refusal `not-found` where the node has no such GPU, also after some seconds; `invalid` for what no measurement holds
   */
  take(nodeId: string, measurement: Measurement): Promise<void>;
  /** Stores a result. One that is stored already changes nothing. @throws Refusal `not-found` for a GPU that is forgotten */
  proven(result: ProofResult): Promise<void>;
}

/** The kind of incident that a failed proof opens. */
export const failedProof = 'proof-failed';

export function createRecords(options: RecordsOptions): VerificationRecords {
  const { db, registry, leaderCheck = async () => {} } = options;
  const count = verificationMetrics(registry);
  const store = async (work: (trx: Queryable) => Promise<Found | undefined>) => {
    const stored = await transact(db, async (trx) => {
      await leaderCheck(trx);
      return work(trx);
    });
    if (stored) count(stored.kind, stored.outcome);
  };
  return {
    take: async (nodeId, measurement) => {
      const results = readResults(measurement);
      await patiently(options, () => store((trx) => storeMeasurement(trx, options, nodeId, measurement, results)));
    },
    proven: (result) => store((trx) => storeProof(trx, options, result)),
  };
}

/** Tries again while there is no such GPU. */
async function patiently(
  { patience = usualPatience, random = Math.random }: RecordsOptions,
  work: () => Promise<void>,
): Promise<void> {
  const until = performance.now() + patience;
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const pause = firstPause * 2 ** attempt * (0.5 + random() / 2);
      if (!isUnknown(error) || performance.now() + pause > until) throw error;
      await sleep(pause);
    }
  }
}

function isUnknown(error: unknown): boolean {
  return error instanceof Refusal && error.kind === 'not-found';
}

/** @returns undefined where it is stored already, and what was stored otherwise */
async function storeMeasurement(
  trx: Queryable,
  options: RecordsOptions,
  nodeId: string,
  measurement: Measurement,
  results: ReadResults,
): Promise<Found | undefined> {
  const name = storableText(measurement.gpu, 253) ?? '';
  const gpu = await lockGpu(trx, sql`g.node_id = ${nodeId} and g.name = ${name}`);
  if (!gpu) throw notFound('GPU', name.slice(0, 64));
  const yardstick = yardstickOf(gpu.product, await options.history.of(trx, gpu.product, measurement.backend));
  const grade = gradeOf(results, yardstick);
  const { outcome, score, reason, message } = ofHardware(gpu, measurement, grade);
  const found: Found = {
    id: measurement.id,
    at: options.now(),
    kind: 'measurement',
    outcome,
    reason,
    message,
    score,
    effort: storableText(measurement.effort, 20),
    started_at: timeOf(measurement.startTime),
    ended_at: timeOf(measurement.endTime),
    evidence: {
      ...evidenceOf(measurement),
      unmeasured: results.unmeasured,
      yardstick,
      formula: grade.formula,
      parts: grade.parts,
    },
  };
  if (!(await storeOfGpu(trx, gpu, found, results.figures))) return undefined;
  await follow(trx, options, gpu, found);
  return found;
}

/** By the node's clock, which may show anything. */
function timeOf(time: Date | undefined): Date | null {
  const storable = storableTime(time);
  return storable === null ? null : new Date(storable);
}

/** Figures that a simulation made up are worth nothing. */
function ofHardware(gpu: LockedGpu, { label }: Measurement, grade: Grade): Omit<Grade, 'formula' | 'parts'> {
  if (gpu.label !== 'simulated' && label !== 'simulated') return grade;
  const message = 'the figures of a simulated GPU are those of no hardware';
  return { outcome: 'unsupported', score: null, reason: 'simulated', message };
}

async function storeProof(trx: Queryable, options: RecordsOptions, result: ProofResult): Promise<Found | undefined> {
  const { id, nodeId, gpuId, at, outcome, reason = null, message, evidence } = result;
  const gpu = await lockGpu(trx, sql`g.id = ${gpuId} and g.node_id = ${nodeId}`);
  if (!gpu) throw notFound('GPU', gpuId);
  const found: Found = {
    ...{ id, at, kind: 'proof', outcome, reason, message, evidence },
    ...{ score: null, effort: null, started_at: null, ended_at: null },
  };
  if (!(await storeOfGpu(trx, gpu, found, []))) return undefined;
  // What could not be asked says nothing.
  if (outcome === 'unsupported') return found;
  await follow(trx, options, gpu, found);
  if (outcome === 'passed') {
    const named = { kind: failedProof, subject: `gpu:${gpu.id}` };
    await closeIncidents(trx, options.now(), [named], 'it has passed a proof since');
  } else {
    const details = { verification: id, reason, message, product: gpu.product };
    await reportIncidents(trx, options.now(), [gpuReport(gpu, gpu.hostname, failedProof, details)]);
  }
  return found;
}

type Found = Omit<NewVerification, 'gpu_id' | 'node_id' | 'provider_id' | 'product' | 'label'>;

/**
 * @returns false where it is stored already
 * @throws Refusal where the id is that of something about another GPU: nobody takes another's place
 */
async function storeOfGpu(trx: Queryable, gpu: LockedGpu, found: Found, figures: readonly Samples[]): Promise<boolean> {
  const { id: gpu_id, node_id, provider_id, product, label } = gpu;
  if (!(await storeVerification(trx, { ...found, gpu_id, node_id, provider_id, product, label }))) {
    const stored = await trx.selectFrom('verifications').select('gpu_id').where('id', '=', found.id).executeTakeFirst();
    if (stored?.gpu_id !== gpu_id) throw invalid('id', found.id, 'an id that nothing else has');
    return false;
  }
  if (figures.length > 0) await storeSamples(trx, found.id, figures);
  await removeSurplus(trx, gpu_id, found.kind, found.outcome);
  return true;
}

/** What follows for the GPU. */
async function follow(
  trx: Queryable,
  { now, proofLifetime }: RecordsOptions,
  gpu: LockedGpu,
  { id, kind, outcome, reason }: Found,
): Promise<void> {
  const at = now();
  const standing = await standingOf(trx, gpu, { at, proofLifetime });
  await trx.updateTable('verifications').set({ label: standing.label }).where('id', '=', id).execute();
  await settleGpu(trx, at, gpu, standing, eventOf(kind, outcome), { id, kind, outcome, reason: reason ?? null });
}

function eventOf(kind: Found['kind'], outcome: Found['outcome']) {
  if (kind === 'measurement') return 'gpu.measured';
  return outcome === 'passed' ? 'gpu.verified' : 'gpu.verification_failed';
}
