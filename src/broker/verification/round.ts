// One round: GPUs of one provider, on several nodes, that are all challenged at the same moment; for a GPU may pose as
// several on one node, and on several nodes too.
import { randomInt } from 'node:crypto';
import type { Queryable } from '../storage/database.ts';
import { type CandidateGpu, candidateGpus } from './candidates.ts';
import type { ChallengePlan, ChallengePlans } from './challenge-plan.ts';
import { pacesOf } from './pace.ts';
import { NodeSession, type SessionEnd, type SessionGpu, type SessionTools } from './session.ts';

/** Nodes of a round; each that more has waits for another one. */
export const nodesOfRound = 16;
/** GPUs of a node that are challenged at once; a node takes 16 questions. */
export const gpusOfNode = 16;

/** A GPU whose challenge has ended, and where. */
export interface RoundEnd {
  readonly nodeId: string;
  readonly end: SessionEnd;
}

/**
 * Challenges the free GPUs of the nodes. All are made ready first, for which the fast ones wait for the slow ones; then all
 * begin in the same turn.
 *
 * @param nodeIds at most {@link nodesOfRound}
 */
export async function conductRound(
  db: Queryable,
  nodeIds: readonly string[],
  plans: ChallengePlans,
  tools: SessionTools,
): Promise<readonly RoundEnd[]> {
  const candidates = await candidateGpus(db, nodeIds);
  const products = [...new Set(candidates.map(({ product }) => product))];
  const paces = await pacesOf(db, products);
  const planned = new Map(products.map((product) => [product, plans(product, paces.get(product))]));
  const free = Map.groupBy(candidates, ({ nodeId }) => nodeId);
  const chosen = [...free].map(([nodeId, gpus]) => ({ nodeId, gpus: choose(gpus) }));
  const unplanned = chosen.flatMap(({ nodeId, gpus }) =>
    gpus
      .filter(({ product, isNew }) => !planned.get(product) && isNew)
      .map((gpu) => ({ nodeId, end: withoutPlan(gpu, tools) })),
  );
  const sessions = chosen.flatMap(({ nodeId, gpus }) => {
    const asked = gpus.flatMap((gpu) => withPlan(gpu, planned.get(gpu.product)));
    return asked.length === 0 ? [] : [new NodeSession(nodeId, asked, tools)];
  });
  await Promise.all(sessions.map((session) => session.prepare()));
  const ends = await Promise.all(
    sessions.map(async (session) => (await session.run()).map((end) => ({ nodeId: session.nodeId, end }))),
  );
  return [...unplanned, ...ends.flat()];
}

/** Those that were never challenged first, else any. */
function choose(gpus: readonly CandidateGpu[]): CandidateGpu[] {
  return shuffled(gpus)
    .sort((a, b) => Number(b.isNew) - Number(a.isNew))
    .slice(0, gpusOfNode);
}

function withPlan({ gpuId, name, product }: CandidateGpu, plan: ChallengePlan | undefined): SessionGpu[] {
  return plan ? [{ gpuId, name, product, plan }] : [];
}

function withoutPlan({ gpuId, name, product }: CandidateGpu, { now, newId }: SessionTools): SessionEnd {
  return {
    gpu: { gpuId, name, product },
    id: newId(),
    at: now(),
    state: 'unsupported',
    reason: 'no-plan',
    message: `nothing is known that could be asked of a ${product}`,
    answerMs: undefined,
    verdictSeconds: 0,
    evidence: { product },
  };
}

/** In an order that nobody can guess. */
export function shuffled<Item>(items: readonly Item[]): Item[] {
  const left = [...items];
  return Array.from({ length: items.length }, () => left.splice(randomInt(left.length), 1)[0] as Item);
}
