// What came of challenging a GPU, and who is told: the seam between those who challenge and those who keep records.

/** Why a GPU has failed. */
export type ProofFailure = 'malformed' | 'not-committed' | 'wrong-product' | 'too-slow' | 'no-answer';

/** What came of one challenge of one GPU. One that could not be challenged now has none. */
export interface ProofResult {
  /** A UUID of version 7, which the work was bound to. */
  readonly id: string;
  readonly nodeId: string;
  readonly gpuId: string;
  /** The GPU's name. */
  readonly gpu: string;
  readonly at: Date;
  /** `unsupported`: the node cannot do such work on this GPU, or nothing is known that could be asked of its product. */
  readonly outcome: 'passed' | 'failed' | 'unsupported';
  /** Of a failure, a {@link ProofFailure}; of `unsupported`, what is missing; undefined where it passed. */
  readonly reason: string | undefined;
  /** For people. */
  readonly message: string;
  /** What was asked and what came, for whoever wants to judge again. */
  readonly evidence: Record<string, unknown>;
}

/** Keeps results, and decides what follows from them. */
export interface ProofRecords {
  /** Stores a result. Storing one with the same id again changes nothing. */
  proven(result: ProofResult): Promise<void>;
}

/** How a challenge that somebody asked for has ended for one GPU. */
export interface ChallengeOutcome {
  readonly gpuId: string;
  /** The GPU's name. */
  readonly gpu: string;
  /** The id of its result; undefined where there is none, because it could not be challenged now. */
  readonly verificationId: string | undefined;
  readonly outcome: ProofResult['outcome'] | 'not-now';
  /** As {@link ProofResult.reason}; of `not-now` what stood in the way, `held` for instance. */
  readonly reason: string | undefined;
  /** For people. */
  readonly message: string;
}

/** Who challenges, on request too. */
export interface Challenger {
  /**
   * Challenges all free GPUs of a node at once, now; takes some seconds, minutes at worst.
   *
   * @param accountId whose node it is
   * @throws Refusal `GPUB_NODE_OFFLINE`; `GPUB_NO_FREE_GPU`; `GPUB_CHALLENGE_RUNNING` where the node is challenged
   * already; `GPUB_TOO_MANY_CHALLENGES`, with a time to wait
   */
  challengeNow(nodeId: string, accountId: string): Promise<readonly ChallengeOutcome[]>;
}
