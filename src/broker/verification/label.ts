// The label of a GPU: what is behind its figures. Pure; docs/verification.md says what each label means and does not.
//
//   simulated            it is no hardware: always
//   challenge-verified   the newest proof passed, and is not older than proofs are good for, or the GPU is sold
//   measured             else: the newest measurement that counts lies where its product does
//   self-reported        else; and after a failed proof, whatever was measured, until a later one passes
import type { Label } from '../storage/schema.ts';

/** What is known of a GPU. Times in milliseconds since 1970, by the broker's clock. */
export interface KnownOfGpu {
  readonly simulated: boolean;
  /** Since when it is this card; undefined for always. */
  readonly identifiedAt: number | undefined;
  /** The newest proof that was decided; undefined where there is none. */
  readonly proof: { readonly passed: boolean; readonly at: number } | undefined;
  /** The newest measurement that could be judged; undefined where there is none. */
  readonly measurement: { readonly inBand: boolean; readonly at: number } | undefined;
  /** Whether somebody has bought it at the moment: it cannot be challenged then. */
  readonly sold: boolean;
}

/** The label at a time, where proofs are good for so many milliseconds. */
export function labelOf(gpu: KnownOfGpu, now: number, proofLifetime: number): Label {
  if (gpu.simulated) return 'simulated';
  const { proof, measurement } = gpu;
  if (hasFailed(gpu)) return 'self-reported';
  if (proof && isOfThisCard(gpu, proof) && (gpu.sold || now - proof.at <= proofLifetime)) return 'challenge-verified';
  return measurement?.inBand && isOfThisCard(gpu, measurement) ? 'measured' : 'self-reported';
}

/** Whether its newest proof failed. That outlives the card: a new name on it is no proof. */
export function hasFailed({ proof }: Pick<KnownOfGpu, 'proof'>): boolean {
  return proof?.passed === false;
}

/** Whether something was done with the card that is there now. */
export function isOfThisCard({ identifiedAt }: Pick<KnownOfGpu, 'identifiedAt'>, { at }: { at: number }): boolean {
  return identifiedAt === undefined || at > identifiedAt;
}
