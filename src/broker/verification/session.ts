// One session: all GPUs of one node that are challenged at the same moment, from making ready to the verdicts.
//
//   new ──prepare()──▶ prepared ──run()──▶ begun, all in one turn; then each GPU on its own:
//         refused: not-now or unsupported   │
//                                           ├ the root comes in time ──▶ places are drawn ──▶ opened
//                                           │    too late, or no root: failed                   │
//                                           └ no answer: broken-off                             ▼
//   ended ◀── all GPUs have an outcome ◀── rows, a page at a time and a GPU at a time, each judged by the verifier
//
// Nothing that a node says about time counts: an answer's time runs from the moment its request is handed to the link until
// the answer is out of it, by the broker's monotonic clock.

import { type Challenge, longestSession, type Place } from '../../proof/challenge.ts';
import { drawPlaces } from '../../proof/places.ts';
import { openingBytes } from '../../proof/verify.ts';
import type { RunConditions } from '../../wire/gpubroker/device/v1/measurement.ts';
import { ProofCommitted, ProofOpened, ProofReady } from '../../wire/gpubroker/node/v1/proof.ts';
import { type ChallengePlan, writtenPlan } from './challenge-plan.ts';
import type { ProofFailure } from './contract.ts';
import { writtenConditions } from './run-conditions.ts';
import { type AskNode, putStep, type Said, type Step, workOf } from './steps.ts';
import type { Verifier } from './verifier.ts';

/** A GPU that is to be challenged. */
export interface SessionGpu {
  readonly gpuId: string;
  /** Its name on its node, which the work is bound to. */
  readonly name: string;
  readonly product: string;
  readonly plan: ChallengePlan;
}

/** How it ended for one GPU. */
export interface SessionEnd {
  readonly gpu: Omit<SessionGpu, 'plan'>;
  /** The proof's id. */
  readonly id: string;
  readonly at: Date;
  readonly state:
    | 'passed'
    | 'failed'
    /** The node cannot do such work on it. */
    | 'unsupported'
    /** It did not begin, or the broker is to blame. */
    | 'not-now'
    /** It began, and the node did not go on. */
    | 'broken-off';
  /** Of `failed` a {@link ProofFailure}; of `broken-off` `silent`, `gone` or `refused`; of the others the node's word. */
  readonly reason: string | undefined;
  readonly message: string;
  /** Milliseconds until the root came. */
  readonly answerMs: number | undefined;
  /** Seconds that the verifier's thread took for the verdict. */
  readonly verdictSeconds: number;
  readonly evidence: Record<string, unknown>;
}

export interface SessionTools {
  readonly ask: AskNode;
  readonly verifier: Verifier;
  /** Monotonic, in milliseconds. */
  readonly clock: () => number;
  readonly now: () => Date;
  readonly newId: () => string;
  /** Bytes that nobody can guess. */
  readonly randomBytes: (count: number) => Buffer;
  /** Uniform 32-bit numbers that nobody can guess. */
  readonly random: () => number;
}

/** Milliseconds. No node keeps a session for longer than these ten minutes. */
const waits = { prepare: 120_000, rows: 60_000, end: 10_000 };
/** After the slowest time that is accepted an answer is still waited for, so that its time can be told. */
const patience = { factor: 2, extra: 20_000 };
/** Bytes of opened rows in one message, about. */
const pageBytes = 2 * 1024 * 1024;

/** The GPUs of a node whose matrices are of one size, and their session. */
interface Group {
  readonly session: string;
  readonly plan: ChallengePlan;
  readonly proofs: readonly Proof[];
}

/** One GPU's way through the session. */
interface Proof {
  readonly gpu: SessionGpu;
  readonly id: string;
  readonly session: string;
  challenge?: Challenge;
  at: Date;
  answerMs?: number;
  root?: Buffer;
  deviceMicros?: number;
  places?: readonly Place[];
  conditions?: RunConditions | undefined;
  verdictSeconds: number;
  end?: Pick<SessionEnd, 'state' | 'reason' | 'message'>;
}

export class NodeSession {
  readonly nodeId: string;
  readonly #tools: SessionTools;
  readonly #groups: readonly Group[];
  /** When the node gives back what is prepared; by the clock. */
  #over = Number.POSITIVE_INFINITY;

  constructor(nodeId: string, gpus: readonly SessionGpu[], tools: SessionTools) {
    this.nodeId = nodeId;
    this.#tools = tools;
    const plans = Map.groupBy(gpus, ({ plan: { size, rounds } }) => `${size} ${rounds}`);
    this.#groups = [...plans.values()].map((alike) => {
      const session = tools.newId();
      const proofs = alike.map((gpu) => ({ gpu, id: tools.newId(), session, at: tools.now(), verdictSeconds: 0 }));
      return { session, plan: (alike[0] as SessionGpu).plan, proofs };
    });
  }

  /** Makes the GPUs ready. Those that are not have their outcome already. Never rejects. */
  async prepare(): Promise<void> {
    this.#over = this.#tools.clock() + longestSession;
    await Promise.all(this.#groups.map((group) => this.#prepare(group)));
  }

  /** Begins on all that are ready before it returns, and conducts them to their ends. Never rejects. */
  async run(): Promise<readonly SessionEnd[]> {
    const all = this.#groups.flatMap(({ proofs }) => proofs);
    const ready = all.filter(({ end }) => !end);
    await Promise.all(
      this.#begin(ready).map(async (committed, index) => this.#open(ready[index] as Proof, await committed)),
    );
    // One at a time: a page is megabytes, and nobody's clock runs any more.
    for (const proof of ready) await this.#judge(proof);
    await this.#finish();
    return all.map((proof) => endOf(proof, ready.length));
  }

  async #prepare({ session, plan: { size, rounds }, proofs }: Group): Promise<void> {
    let reason = 'verifier';
    try {
      const epochSeed = await this.#tools.verifier.epochSeed(size);
      for (const proof of proofs) {
        const seed = this.#tools.randomBytes(32);
        proof.challenge = { id: proof.id, gpu: proof.gpu.name, epochSeed, seed, size, rounds };
      }
      reason = 'unreadable';
      const prepare = { epochSeed: Buffer.from(epochSeed), size, rounds, sessionMillis: longestSession };
      takeReady(proofs, await this.#step(session, proofs, { prepare }, waits.prepare));
    } catch (error) {
      for (const proof of proofs) endNotNow(proof, reason, String(error));
    }
  }

  /** The answer to each, in their order; all are sent in this turn. */
  #begin(proofs: readonly Proof[]): Promise<Said>[] {
    const { ask, clock, now } = this.#tools;
    const works = proofs.map(({ session, gpu, id, challenge }) => {
      const begin = { proof: id, seed: Buffer.from((challenge as Challenge).seed) };
      return workOf(session, [gpu.name], { begin });
    });
    const at = now();
    return proofs.map((proof, index) => {
      proof.at = at;
      const deadline = new Date(at.getTime() + patienceFor(proof));
      const began = clock();
      return putStep(() => ask(this.nodeId, works[index] as (typeof works)[number], deadline)).then((said) => {
        proof.answerMs = clock() - began;
        return said;
      });
    });
  }

  /** Takes the root, and asks for rows, which are drawn only now. */
  async #open(proof: Proof, committed: Said): Promise<void> {
    const answer = this.#answer(proof, committed, ProofCommitted.decode);
    if (!answer) return;
    const { slowestMs, places } = proof.gpu.plan;
    const ms = Math.round(proof.answerMs as number);
    proof.root = answer.root;
    proof.deviceMicros = Number(answer.deviceMicros);
    if (answer.root.length !== 32) return fail(proof, 'malformed', `a root of ${answer.root.length} bytes`);
    if (ms > slowestMs) return endLate(proof, ms);
    proof.places = drawPlaces(proof.challenge as Challenge, places, this.#tools.random);
    const opened = await this.#step(
      proof.session,
      [proof],
      { open: { places: [...proof.places] } },
      patienceFor(proof),
    );
    proof.conditions = this.#answer(proof, opened, ProofOpened.decode)?.conditions;
  }

  async #judge(proof: Proof): Promise<void> {
    const { challenge, root, places } = proof;
    if (proof.end || !challenge || !root || !places) return;
    const count = rowsOfPage(challenge);
    for (let first = 0; first < places.length; first += count) {
      const asked = places.slice(first, first + count);
      if (this.#tools.clock() >= this.#over) return runOut(proof);
      const said = await this.#step(proof.session, [proof], { rows: { first, count: asked.length } }, waits.rows);
      const openings = this.#answer(proof, said, (payload) => payload);
      if (!openings) return;
      try {
        const { verdict, seconds } = await this.#tools.verifier.judge({ challenge, root, places: asked, openings });
        proof.verdictSeconds += seconds;
        if (!verdict.accepted) return fail(proof, verdict.reason, verdict.message);
      } catch (error) {
        return endNotNow(proof, 'verifier', String(error));
      }
    }
    const isTooFast = (proof.answerMs as number) < proof.gpu.plan.fastestMs;
    const message = `answered within ${Math.round(proof.answerMs as number)} ms`;
    proof.end = {
      state: 'passed',
      reason: undefined,
      message: isTooFast ? `${message}, faster than it can be` : message,
    };
  }

  /** What an answer says; undefined where there is none, and then the GPU has its outcome. */
  #answer<Message>(proof: Proof, said: Said, decode: (payload: Uint8Array) => Message): Message | undefined {
    if (said.said === 'unasked') endNotNow(proof, 'broker', said.message);
    else if (said.said !== 'answer') {
      proof.end = { state: 'broken-off', reason: said.said, message: refusalText(said) };
    } else {
      try {
        return decode(said.payload);
      } catch (error) {
        fail(proof, 'malformed', `the answer cannot be read: ${String(error)}`);
      }
    }
    return undefined;
  }

  /** Gives back what is prepared; a node that does not hear it does so when the session's time is over. */
  async #finish(): Promise<void> {
    const ends = this.#groups.map(({ session, proofs }) => this.#step(session, proofs, { end: {} }, waits.end));
    await Promise.all(ends);
  }

  #step(session: string, proofs: readonly Proof[], step: Step, wait: number): Promise<Said> {
    const { ask, now } = this.#tools;
    const work = workOf(
      session,
      proofs.map(({ gpu }) => gpu.name),
      step,
    );
    return putStep(() => ask(this.nodeId, work, new Date(now().getTime() + wait)));
  }
}

/** Who is not ready, and why. */
function takeReady(proofs: readonly Proof[], said: Said): void {
  if (said.said !== 'answer') {
    const reason = said.said === 'refused' ? said.reason : said.said;
    for (const proof of proofs) endUnready(proof, reason, said.message);
    return;
  }
  for (const { gpu: name, reason, message } of ProofReady.decode(said.payload).refusals) {
    const proof = proofs.find(({ gpu }) => gpu.name === name);
    if (proof) endUnready(proof, reason, message);
  }
}

function endUnready(proof: Proof, reason: string, message: string): void {
  if (reason === 'unsupported') proof.end = { state: 'unsupported', reason, message };
  else endNotNow(proof, reason, message);
}

function endNotNow(proof: Proof, reason: string, message: string): void {
  proof.end = { state: 'not-now', reason, message };
}

/** Where the time that a product takes is only assumed, one that takes longer is not what is proven wrong. */
function endLate(proof: Proof, ms: number): void {
  const { slowestMs, undecidedMs = slowestMs } = proof.gpu.plan;
  const message = `the answer took ${ms} ms; ${slowestMs} ms are allowed`;
  if (ms > undecidedMs) fail(proof, 'too-slow', message);
  else proof.end = { state: 'unsupported', reason: 'slower-than-assumed', message: `${message}, by an assumption` };
}

function fail(proof: Proof, reason: ProofFailure, message: string): void {
  proof.end = { state: 'failed', reason, message };
}

/** A slow line, or somebody who plays for time: it counts as a stream that has ended. */
function runOut(proof: Proof): void {
  const message = `its rows were not there within ${longestSession / 60_000} minutes`;
  proof.end = { state: 'broken-off', reason: 'gone', message };
}

function refusalText(said: Exclude<Said, { said: 'answer' }>): string {
  return said.said === 'refused' ? `${said.reason}: ${said.message}` : said.message;
}

function patienceFor({ gpu: { plan } }: Proof): number {
  return plan.slowestMs * patience.factor + patience.extra;
}

/** How many openings go into a message. */
export function rowsOfPage(challenge: Challenge): number {
  return Math.max(1, Math.floor(pageBytes / openingBytes(challenge)));
}

function endOf(proof: Proof, together: number): SessionEnd {
  const { gpu, id, at, answerMs, verdictSeconds, end } = proof;
  const outcome = end ?? { state: 'not-now' as const, reason: 'broker', message: 'it was not conducted to its end' };
  return { gpu, id, at, ...outcome, answerMs, verdictSeconds, evidence: evidenceOf(proof, together) };
}

/** What was asked and what came; bytes in hexadecimal, times in milliseconds. What did not come is absent. */
function evidenceOf(proof: Proof, together: number): Record<string, unknown> {
  const { gpu, session, challenge, answerMs, root, deviceMicros, places, conditions, verdictSeconds } = proof;
  return {
    session,
    product: gpu.product,
    plan: writtenPlan(gpu.plan),
    gpus_at_once: together,
    ...(challenge && { epoch_seed: hex(challenge.epochSeed), seed: hex(challenge.seed) }),
    ...(answerMs !== undefined && {
      answer_ms: Math.round(answerMs * 10) / 10,
      too_fast: answerMs < gpu.plan.fastestMs,
    }),
    ...(deviceMicros !== undefined && { device_ms: deviceMicros / 1000 }),
    ...(root && { root: hex(root) }),
    ...(places && { places: places.map(({ round, row }) => [round, row]) }),
    ...(conditions && { conditions: writtenConditions(conditions, ({ least, greatest }) => [least, greatest]) }),
    verdict_ms: Math.round(verdictSeconds * 1e4) / 10,
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
