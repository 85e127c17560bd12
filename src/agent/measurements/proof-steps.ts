// What the broker asks for in a proof of GPU, read and checked: the node trusts it no more than the broker does the node.
import { checkPlaces, checkWork, digestSize, type Place, proofKind } from '../../proof/challenge.ts';
import { openingBytes } from '../../proof/verify.ts';
import type { Challenge as Asked } from '../../wire/gpubroker/node/v1/node_link.ts';
import {
  type ProofBegin,
  type ProofOpen,
  type ProofPrepare,
  ProofRequest,
  type ProofRows,
} from '../../wire/gpubroker/node/v1/proof.ts';
import type { Start, Work } from '../verification/proof.ts';

/** Of a node; more than any has. */
const mostGpus = 1_024;
/** Of ids and names. */
const longestText = 128;
/** Of rows in one answer: a message of the link has four MiB, of which the rest is for what is around them. */
export const mostRowBytes = 4 * 2 ** 20 - 64 * 2 ** 10;
/** What a row costs in a message besides itself. */
const framing = 64;

/** The first word of a refusal. */
export type RefusalReason =
  /** What was asked for is malformed, beyond a limit, or out of turn. */
  | 'invalid'
  /** There is no such session, or the GPU is not in it. */
  | 'unknown'
  /** The session is over. */
  | 'ended'
  /** Reasons of GPUs that are not free, or no longer. */
  | 'held'
  | 'busy'
  | 'unhealthy'
  | 'unsupported'
  /** Any other failure. */
  | 'failed';

/** Thrown for what is not done. Its message begins with the reason. */
export class ProofRefused extends Error {
  override readonly name = 'ProofRefused';
  readonly reason: RefusalReason;
  /** The message without its first word. */
  readonly why: string;

  constructor(reason: RefusalReason, why: string) {
    super(`${reason}: ${why}`);
    this.reason = reason;
    this.why = why;
  }
}

/** A step, and of which GPUs. */
export interface AskedStep {
  readonly session: string;
  readonly gpus: readonly string[];
  readonly request: ProofRequest;
}

/** @throws ProofRefused */
export function readStep({ kind, gpus, payload }: Asked): AskedStep {
  if (kind !== proofKind) throw new ProofRefused('unsupported', `kind: there is ${proofKind} alone`);
  const request = decode(payload);
  requireText('session', request.session);
  const { prepare, begin, open, rows, end } = request;
  const steps = [prepare, begin, open, rows, end].filter((step) => step !== undefined);
  if (steps.length !== 1) throw new ProofRefused('invalid', `step: ${steps.length} are not allowed; one is`);
  requireGpus(gpus, begin || open || rows ? 1 : mostGpus);
  return { session: request.session, gpus, request };
}

/** @throws ProofRefused */
export function readPrepare({ epochSeed, size, rounds, sessionMillis }: ProofPrepare): { work: Work; millis: number } {
  const work = { epochSeed, size, rounds };
  inRange(() => checkWork(work));
  if (sessionMillis === 0) throw new ProofRefused('invalid', 'sessionMillis: 0 is not allowed; more is');
  return { work, millis: sessionMillis };
}

/** @throws ProofRefused */
export function readBegin(gpu: string, { proof, seed }: ProofBegin): Start {
  requireText('proof', proof);
  if (seed.length !== digestSize) {
    throw new ProofRefused('invalid', `seed: ${seed.length} bytes are not allowed; ${digestSize} are`);
  }
  return { id: proof, gpu, seed };
}

/** @throws ProofRefused */
export function readOpen(work: Work, { places }: ProofOpen): readonly Place[] {
  inRange(() => checkPlaces(work, places));
  return places;
}

/**
 * @param opened how many rows there are
 * @throws ProofRefused
 */
export function readRows(work: Work, opened: number, { first, count }: ProofRows): ProofRows {
  const most = Math.floor(mostRowBytes / (openingBytes(work) + framing));
  if (count < 1 || count > most) {
    throw new ProofRefused('invalid', `count: ${count} is not allowed; 1 to ${most} are`);
  }
  if (first + count > opened) {
    throw new ProofRefused(
      'invalid',
      `first: ${first} and ${count - 1} behind it are not allowed; ${opened} were opened`,
    );
  }
  return { first, count };
}

function decode(payload: Uint8Array): ProofRequest {
  try {
    return ProofRequest.decode(payload);
  } catch {
    throw new ProofRefused('invalid', 'payload: it is not a request of a proof');
  }
}

function requireGpus(gpus: readonly string[], most: number): void {
  if (gpus.length < 1 || gpus.length > most) {
    throw new ProofRefused(
      'invalid',
      `gpus: ${gpus.length} are not allowed; ${most === 1 ? 'one is' : `1 to ${most} are`}`,
    );
  }
  for (const gpu of gpus) requireText('gpus', gpu);
  if (new Set(gpus).size < gpus.length) throw new ProofRefused('invalid', 'gpus: one is named twice');
}

function requireText(field: string, text: string): void {
  if (text === '' || text.length > longestText) {
    throw new ProofRefused('invalid', `${field}: 1 to ${longestText} characters are allowed`);
  }
}

/** What the rules of a proof do not allow is refused in their words. */
function inRange(check: () => void): void {
  try {
    check();
  } catch (error) {
    throw error instanceof RangeError ? new ProofRefused('invalid', error.message) : error;
  }
}
