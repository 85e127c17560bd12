// What one challenge asks of its node, step by step, and what can become of a step.
import { proofKind } from '../../proof/challenge.ts';
import type { ChallengeResult } from '../../wire/gpubroker/node/v1/node_link.ts';
import { ProofRequest } from '../../wire/gpubroker/node/v1/proof.ts';
import { Refusal } from '../refusal.ts';

/** Work for GPUs of a node, as the node link carries it. */
export interface NodeWork {
  readonly kind: string;
  /** Their names. */
  readonly gpus: readonly string[];
  readonly payload: Uint8Array;
}

/** Asks a node. @throws Refusal `GPUB_NODE_OFFLINE`, `GPUB_NODE_SILENT`, `GPUB_NODE_BUSY`, or why the stream ended */
export type AskNode = (nodeId: string, work: NodeWork, deadline: Date) => Promise<ChallengeResult>;

/** What became of a step. */
export type Said =
  | { readonly said: 'answer'; readonly payload: Uint8Array }
  /** The node does not do it. `reason` is what stands before the first colon, `held` for instance. */
  | { readonly said: 'refused'; readonly reason: string; readonly message: string }
  /** `silent`: it is connected, and its time is over. `gone`: its stream has ended. `unasked`: it was never sent. */
  | { readonly said: 'silent' | 'gone' | 'unasked'; readonly message: string };

/** One of the steps of a session. */
export type Step = Omit<Partial<ProofRequest>, 'session'>;

/** Puts a step to a node; it is on its way when this returns. Never rejects. */
export function putStep(ask: () => Promise<ChallengeResult>): Promise<Said> {
  return ask().then(heard, unheard);
}

/** The work that a step is. */
export function workOf(session: string, gpus: readonly string[], step: Step): NodeWork {
  const payload = ProofRequest.encode(ProofRequest.fromPartial({ session, ...step })).finish();
  return { kind: proofKind, gpus, payload };
}

function heard({ payload, refused }: ChallengeResult): Said {
  if (refused === '') return { said: 'answer', payload };
  const [, reason = 'refused', rest] = /^([a-z][a-z-]{0,30}): *(.*)$/s.exec(refused) ?? [];
  // Agents that know of no challenges at all.
  if (/^not supported/.test(refused)) return { said: 'refused', reason: 'unsupported', message: refused };
  return { said: 'refused', reason, message: (rest ?? refused).slice(0, 1_000) };
}

function unheard(error: unknown): Said {
  if (!(error instanceof Refusal)) return { said: 'unasked', message: String(error) };
  const { code, message } = error;
  const said = code === 'GPUB_NODE_SILENT' ? 'silent' : code === 'GPUB_NODE_BUSY' ? 'unasked' : 'gone';
  return { said, message };
}
