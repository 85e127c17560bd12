// Has a node challenged because somebody asks: whose it is, or an admin.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChallengeAnswer, ChallengeOutcome as ShownOutcome } from '../../api/verifications.ts';
import type { Principal } from '../identity/principal.ts';
import { type RegistryContext, recordChange } from '../registry/change.ts';
import { decommissioned } from '../registry/nodes.ts';
import { findNode } from '../registry/ownership.ts';
import { transact } from '../storage/transact.ts';
import type { ChallengeOutcome, Challenger } from './contract.ts';

export interface ChallengeContext extends RegistryContext {
  readonly challenger: Challenger;
  /** Milliseconds after which who asked is answered, and the challenge goes on; 20 s by default. */
  readonly challengeWait?: number | undefined;
}

/** Shorter than clients wait for an answer. */
const usualWait = 20_000;

/**
 * Challenges the free GPUs of a node, and resolves when it is over, or when it takes longer than people wait.
 * @param admit counts it, and throws where the node was challenged on request too often
 * @param failedLate told of a challenge that fails when nobody waits for it any more
 * @throws Refusal not-found; what `admit` throws; as {@link Challenger.challengeNow} does
 */
export async function challengeNode(
  { db, now, challenger, challengeWait = usualWait }: ChallengeContext,
  principal: Principal,
  id: string,
  admit: (nodeId: string) => void,
  failedLate: (error: unknown) => void,
): Promise<ChallengeAnswer> {
  const { account_id: accountId, decommissioned_at } = await findNode(db, principal, id);
  if (decommissioned_at) throw decommissioned(id);
  admit(id);
  const running = challenger.challengeNow(id, accountId);
  const waiting = new AbortController();
  const late = sleep(challengeWait, undefined, { signal: waiting.signal }).catch(() => undefined);
  // What is refused is refused at once, and is no change.
  const outcomes = await Promise.race([running, late]).finally(() => waiting.abort());
  if (outcomes === undefined) running.catch(failedLate);
  await transact(db, (trx) => {
    const target = { kind: 'node', id };
    return recordChange(trx, now(), principal, { action: 'node.challenge', accountId, target });
  });
  return { finished: outcomes !== undefined, outcomes: (outcomes ?? []).map(shown) };
}

function shown({ gpuId, gpu, verificationId, outcome, reason, message }: ChallengeOutcome): ShownOutcome {
  return { gpu_id: gpuId, gpu, verification_id: verificationId ?? null, outcome, reason: reason ?? null, message };
}
