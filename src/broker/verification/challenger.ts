// Challenges GPUs for as long as the broker leads: looks every few seconds who is due, conducts rounds, weighs what came of
// them, and hands results on. One round a provider at a time, and a few in all.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { Backoff } from '../../daemon/backoff.ts';
import type { Log } from '../../daemon/logger.ts';
import { newId } from '../ids.ts';
import { Refusal } from '../refusal.ts';
import type { Queryable } from '../storage/database.ts';
import { type CandidateNode, candidateGpus, candidateNodes, usesOf } from './candidates.ts';
import type { ChallengePlans } from './challenge-plan.ts';
import type { ChallengeOutcome, Challenger, ProofRecords } from './contract.ts';
import { weigh } from './excuses.ts';
import { type ChallengeMetrics, challengeMetrics, reasonLabel } from './metrics.ts';
import { conductRound, nodesOfRound, type RoundEnd, shuffled } from './round.ts';
import { type Load, Schedule } from './schedule.ts';
import type { SessionTools } from './session.ts';
import type { AskNode } from './steps.ts';
import type { Verifier } from './verifier.ts';

export interface ChallengerOptions {
  readonly db: Queryable;
  readonly ask: AskNode;
  /** Whether the node is connected. */
  readonly isLive: (nodeId: string) => boolean;
  readonly verifier: Verifier;
  readonly plans: ChallengePlans;
  readonly records: ProofRecords;
  readonly log: Log;
  readonly now: () => Date;
  readonly registry: Registry;
  /** Milliseconds from one challenge of a GPU to the next, on average; 0: only on request. */
  readonly interval: number;
  /** Monotonic, in milliseconds; of this process by default. */
  readonly clock?: () => number;
  /** Milliseconds from one look to the next. */
  readonly lookInterval?: number;
}

/** A challenger that can run. */
export interface RunningChallenger extends Challenger {
  start(): void;
  /** Breaks off what is under way, without a result. */
  stop(): Promise<void>;
}

const mostRounds = 2;
/** On request, besides these: of all, and of the nodes of one account, so that none takes the place of the others. */
const mostRequested = { ofAll: 4, ofAccount: 2 };
/** As many as may be connected. */
const mostNodes = 12_000;
/** GPUs whose interruptions are remembered. */
const mostInterrupted = 100_000;
const lookEvery = 30_000;
/** Milliseconds until a node of which no GPU let itself be challenged is asked again, and until a new GPU hurries again. */
const reluctance = { first: 2 * 60_000, longest: 6 * 3_600_000 };
const storeBackoff = { first: 1_000, longest: 30_000 };
const storeAttempts = 6;

/** Makes it; nothing happens until `start`, but on request. */
export function createChallenger(options: ChallengerOptions): RunningChallenger {
  return new RandomChallenger(options);
}

/** A node, or a GPU, that does not let itself be challenged. */
interface Reluctant {
  readonly backoff: Backoff;
  until: number;
}

/** A node that can be challenged now. */
interface ReadyNode {
  readonly nodeId: string;
  readonly providerId: string;
  /** It has a GPU that was never challenged, and that did not refuse a moment ago. */
  readonly isNew: boolean;
}

class RandomChallenger implements RunningChallenger {
  readonly #options: ChallengerOptions;
  readonly #clock: () => number;
  readonly #tools: SessionTools;
  readonly #metrics: ChallengeMetrics;
  readonly #schedule: Schedule;
  readonly #stopping = new AbortController();
  /** The nodes of rounds that are under way, and the providers of those that were due. */
  readonly #nodes = new Set<string>();
  readonly #providers = new Set<string>();
  readonly #rounds = new Set<Promise<unknown>>();
  /** The accounts whose nodes are being challenged on request. */
  readonly #requested: string[] = [];
  /** By the id of the node, or of the GPU. */
  readonly #reluctant = new Map<string, Reluctant>();
  /** Of GPUs, how often in a row they were interrupted. */
  readonly #interruptions = new Map<string, number>();
  #looking: Promise<void> = Promise.resolve();

  constructor(options: ChallengerOptions) {
    const { registry, verifier, now, interval, clock = () => performance.now() } = options;
    const { signal } = this.#stopping;
    this.#options = options;
    this.#clock = clock;
    this.#metrics = challengeMetrics(registry, () => this.#rounds.size);
    this.#schedule = new Schedule({ interval, nodesOfRound, random: secretFraction });
    this.#tools = {
      ask: (...asked) => untilAborted(options.ask(...asked), signal),
      verifier,
      clock,
      now,
      newId: () => newId(now().getTime()),
      randomBytes,
      random: () => randomBytes(4).readUInt32LE(),
    };
  }

  start(): void {
    if (this.#options.interval > 0) this.#looking = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the broker stops'));
    await this.#options.verifier.close();
    await this.#looking;
    await Promise.allSettled(this.#rounds);
  }

  async challengeNow(nodeId: string, accountId: string): Promise<readonly ChallengeOutcome[]> {
    const { db, isLive } = this.#options;
    if (!isLive(nodeId)) throw new Refusal('conflict', 'GPUB_NODE_OFFLINE', `the node ${nodeId} is not connected`);
    if (this.#nodes.has(nodeId)) {
      throw new Refusal('conflict', 'GPUB_CHALLENGE_RUNNING', `the node ${nodeId} is being challenged`);
    }
    this.#admit(accountId);
    this.#requested.push(accountId);
    // Before anything is waited for: nobody else takes it.
    this.#nodes.add(nodeId);
    try {
      if ((await candidateGpus(db, [nodeId])).length === 0) {
        throw new Refusal('conflict', 'GPUB_NO_FREE_GPU', `no GPU of the node ${nodeId} is free to be challenged`);
      }
      return (await this.#conduct([nodeId])).map(outcomeOf);
    } finally {
      this.#nodes.delete(nodeId);
      this.#requested.splice(this.#requested.indexOf(accountId), 1);
    }
  }

  #admit(accountId: string): void {
    const { ofAll, ofAccount } = mostRequested;
    const own = this.#requested.filter((id) => id === accountId).length;
    if (own < ofAccount && this.#requested.length < ofAll) return;
    const message =
      own < ofAccount
        ? `${ofAll} challenges that were asked for are under way`
        : `${ofAccount} challenges of nodes of this account are under way`;
    throw new Refusal('too-many', 'GPUB_TOO_MANY_CHALLENGES', message, { retryAfter: 30 });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { log, lookInterval = lookEvery } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#look();
      } catch (error) {
        log.warn({ err: error }, 'it could not be found out whose GPUs are to be challenged: trying again');
      }
      await sleep(lookInterval * (0.5 + secretFraction()), undefined, { signal }).catch(() => undefined);
    }
  }

  /** Begins the rounds that are due. */
  async #look(): Promise<void> {
    const candidates = await candidateNodes(this.#options.db, mostNodes);
    const now = this.#clock();
    this.#forgetGone(now);
    const ready = candidates
      .filter(({ nodeId }) => this.#isReady(nodeId, now))
      .map((node) => this.#readyNode(node, now));
    const byProvider = Map.groupBy(ready, ({ providerId }) => providerId);
    const loads = new Map([...byProvider].map(([id, nodes]) => [id, loadOf(nodes)]));
    for (const provider of shuffled(this.#schedule.due(now, loads))) {
      if (this.#providers.size >= mostRounds) return;
      if (this.#providers.has(provider) || this.#stopping.signal.aborted) continue;
      const nodes = chooseNodes(byProvider.get(provider) ?? []);
      this.#schedule.began(provider, now, loads.get(provider) as Load);
      this.#begin(provider, nodes);
    }
  }

  #isReady(nodeId: string, now: number): boolean {
    return this.#isWilling(nodeId, now) && !this.#nodes.has(nodeId) && this.#options.isLive(nodeId);
  }

  #readyNode({ nodeId, providerId, newGpus }: CandidateNode, now: number): ReadyNode {
    return { nodeId, providerId, isNew: newGpus.some((id) => this.#isWilling(id, now)) };
  }

  #isWilling(id: string, now: number): boolean {
    return (this.#reluctant.get(id)?.until ?? 0) <= now;
  }

  /** Whoever was not heard of for as long as the longest wait begins anew. */
  #forgetGone(now: number): void {
    for (const [id, { until }] of this.#reluctant) if (until + reluctance.longest < now) this.#reluctant.delete(id);
  }

  #begin(provider: string, nodeIds: readonly string[]): void {
    this.#providers.add(provider);
    for (const id of nodeIds) this.#nodes.add(id);
    void this.#conduct(nodeIds)
      .then((ends) => {
        // Whoever was interrupted is asked again before long.
        if (ends.some(({ end }) => this.#interruptions.has(end.gpu.gpuId)))
          this.#schedule.hurry(provider, this.#clock());
      })
      .catch((error: unknown) => this.#options.log.warn({ err: error, provider }, 'a round of challenges failed'))
      .finally(() => {
        this.#providers.delete(provider);
        for (const id of nodeIds) this.#nodes.delete(id);
      });
  }

  /** A whole round, with everything that follows from it. */
  #conduct(nodeIds: readonly string[]): Promise<readonly RoundEnd[]> {
    const round = this.#challenge(nodeIds);
    this.#rounds.add(round);
    const ended = () => this.#rounds.delete(round);
    round.then(ended, ended);
    return round;
  }

  async #challenge(nodeIds: readonly string[]): Promise<readonly RoundEnd[]> {
    const { db, plans, log } = this.#options;
    const ends = await conductRound(db, nodeIds, plans, this.#tools);
    // What was broken off by the broker itself is nobody's failure.
    if (this.#stopping.signal.aborted) return [];
    const uses = await usesOf(
      db,
      ends.map(({ end }) => end.gpu.gpuId),
    );
    const weighed = ends.map(({ nodeId, end: before }) => {
      const { gpuId } = before.gpu;
      const use = uses.get(gpuId) ?? { sold: false, occupied: false };
      const { end, interruptions } = weigh(before, use, this.#interruptions.get(gpuId) ?? 0);
      this.#remember(gpuId, interruptions);
      return { nodeId, end };
    });
    this.#learn(nodeIds, weighed);
    for (const one of weighed) {
      this.#count(one);
      if (one.end.state !== 'not-now') await this.#store(one);
    }
    const states = Map.groupBy(weighed, ({ end }) => end.state);
    const counts = Object.fromEntries([...states].map(([state, those]) => [state, those.length]));
    log.info({ nodes: nodeIds.length, ...counts }, 'a round of challenges has ended');
    return weighed;
  }

  #remember(gpuId: string, interruptions: number): void {
    this.#interruptions.delete(gpuId);
    if (interruptions > 0) this.#interruptions.set(gpuId, interruptions);
    const [oldest] = this.#interruptions.keys();
    if (this.#interruptions.size > mostInterrupted && oldest !== undefined) this.#interruptions.delete(oldest);
  }

  /** A node of which no GPU came to a verdict is left alone for a while, and so is a GPU of one that did. */
  #learn(nodeIds: readonly string[], ends: readonly RoundEnd[]): void {
    for (const { end } of ends) this.#learnOf(end.gpu.gpuId, end.state !== 'not-now');
    for (const nodeId of nodeIds) {
      this.#learnOf(
        nodeId,
        ends.some((one) => one.nodeId === nodeId && one.end.state !== 'not-now'),
      );
    }
  }

  #learnOf(id: string, wasWilling: boolean): void {
    const { backoff } = this.#reluctant.get(id) ?? { backoff: new Backoff(reluctance, secretFraction) };
    if (wasWilling) this.#reluctant.delete(id);
    else this.#reluctant.set(id, { backoff, until: this.#clock() + backoff.next() });
  }

  #count({ end }: RoundEnd): void {
    this.#metrics.ended.inc({ outcome: end.state, reason: reasonLabel(end.reason) });
    if (end.answerMs !== undefined) this.#metrics.seconds.observe(end.answerMs / 1000);
    if (end.verdictSeconds > 0) this.#metrics.verdictSeconds.observe(end.verdictSeconds);
  }

  /** Tries until it is stored, for some minutes; of a GPU that is forgotten by now nothing is kept. */
  async #store({ nodeId, end }: RoundEnd): Promise<void> {
    const { records, log } = this.#options;
    const { signal } = this.#stopping;
    const backoff = new Backoff(storeBackoff, secretFraction);
    const { id, at, reason, message, evidence, state } = end;
    const { gpuId, name: gpu } = end.gpu;
    const outcome = state as 'passed' | 'failed' | 'unsupported';
    for (let attempt = 1; ; attempt++) {
      try {
        return await records.proven({ id, nodeId, gpuId, gpu, at, outcome, reason, message, evidence });
      } catch (error) {
        if (error instanceof Refusal || attempt === storeAttempts || signal.aborted) {
          return log.error({ err: error, gpuId, outcome, reason }, 'the result of a challenge is lost');
        }
        await sleep(backoff.next(), undefined, { signal }).catch(() => undefined);
      }
    }
  }
}

function loadOf(nodes: readonly ReadyNode[]): Load {
  return { nodes: nodes.length, isNew: nodes.some(({ isNew }) => isNew) };
}

/** Those with GPUs that were never challenged first, else any. */
function chooseNodes(nodes: readonly ReadyNode[]): string[] {
  return shuffled(nodes)
    .sort((a, b) => Number(b.isNew) - Number(a.isNew))
    .slice(0, nodesOfRound)
    .map(({ nodeId }) => nodeId);
}

function outcomeOf({ end }: RoundEnd): ChallengeOutcome {
  const { id, state, reason, message } = end;
  const outcome = state === 'broken-off' ? 'not-now' : state;
  const { gpuId, name: gpu } = end.gpu;
  return { gpuId, gpu, verificationId: outcome === 'not-now' ? undefined : id, outcome, reason, message };
}

/** From 0 to 1, without 1. */
function secretFraction(): number {
  return randomBytes(6).readUIntBE(0, 6) / 2 ** 48;
}

function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise<Value>((resolve, reject) => {
    const abort = () => reject(signal.reason);
    const settled = () => signal.removeEventListener('abort', abort);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort);
    promise.then(resolve, reject).finally(settled);
  });
}
