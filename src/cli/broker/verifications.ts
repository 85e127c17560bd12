// `gpubroker verifications`: what GPUs were measured at, the proofs they were asked for, and what can be asked of them.
import type { Change } from '../../api/inventory.ts';
import type {
  ChallengeOutcome,
  Fit,
  FitRequest,
  Verification,
  VerificationDetails,
  VerificationQuery,
} from '../../api/verifications.ts';
import type { Client } from '../../client/client.ts';
import { oneLine, print, printJson, printJsonLine } from '../output.ts';
import { followStream, type Patience } from './follow.ts';
import { ago, type Columns, collect, pageFor, showList, showOne, word } from './show.ts';

const columns: Columns<Verification> = {
  ID: ({ id }) => id,
  GPU: ({ gpu_id }) => gpu_id,
  KIND: ({ kind }) => kind,
  OUTCOME: ({ outcome }) => word(outcome),
  REASON: ({ reason }) => reason,
  LABEL: ({ label }) => label,
  SCORE: ({ score }) => score,
  AT: ({ at }) => ago(at),
};

const figureColumns: Columns<VerificationDetails['figures'][number]> = {
  FIGURE: ({ name }) => name,
  MEDIAN: ({ median }) => rounded(median),
  LEAST: ({ samples }) => rounded(Math.min(...samples)),
  GREATEST: ({ samples }) => rounded(Math.max(...samples)),
  SAMPLES: ({ samples }) => samples.length,
  UNIT: ({ unit }) => unit,
};

const outcomeColumns: Columns<ChallengeOutcome> = {
  GPU: ({ gpu }) => gpu,
  OUTCOME: ({ outcome }) => word(outcome),
  REASON: ({ reason }) => reason,
  VERIFICATION: ({ verification_id }) => verification_id,
  MESSAGE: ({ message }) => message,
};

const checkColumns: Columns<Fit['checks'][number]> = {
  WISH: ({ field }) => field,
  WANTED: ({ wanted }) => wanted,
  HAS: ({ has }) => (typeof has === 'number' ? rounded(has) : has),
  FITS: ({ ok }) => (ok ? 'yes' : 'no'),
};

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

/** Newest first. */
export async function listVerifications(
  client: Client,
  json: boolean,
  query: VerificationQuery,
  limit: number,
): Promise<void> {
  const found = client.all('GET /verifications', { query: { ...query, ...pageFor(limit) } });
  showList(await collect(found, limit), { json, columns, nothing: 'No such verification.' });
}

export async function showVerification(client: Client, json: boolean, id: string): Promise<void> {
  const verification = await client.call('GET /verifications/{id}', { params: { id } });
  if (json) return showOne(verification, json);
  const { figures, ...rest } = verification;
  showOne(rest, json);
  if (figures.length === 0) return;
  print('');
  showList(figures, { json, columns: figureColumns, nothing: '' });
}

/**
 * Prints a line for each event until `stop` is aborted; a broker that goes away is waited for.
 * @throws CodedError when the first attempt fails, or the broker refuses for good.
 */
export function watchVerifications(
  client: Client,
  json: boolean,
  stop: AbortSignal,
  patience?: Patience,
): Promise<void> {
  const accept = ({ data }: { data: string }) => {
    if (data === '') return;
    const change = JSON.parse(data) as Change;
    if (json) printJsonLine(change);
    else print(lineOf(change));
  };
  return followStream(client, { path: '/verifications/stream', accept }, stop, patience);
}

function lineOf({ at, kind, gpu_id, data }: Change): string {
  const { label, score, model, verification } = data as Record<string, unknown>;
  const { reason } = (verification ?? {}) as { reason?: unknown };
  const told = [label, score === null ? undefined : `score ${score}`, reason, model].filter(isText);
  return oneLine(`${at}  ${kind.padEnd(24)}  ${gpu_id ?? ''}  ${told.join('  ')}`);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** @returns the exit code: 1 where a GPU has failed */
export async function challengeNode(client: Client, json: boolean, id: string): Promise<number> {
  const answer = await client.call('POST /nodes/{id}/challenge', { params: { id } });
  const { finished, outcomes } = answer;
  if (json) printJson(answer);
  else if (!finished) print('It goes on; `gpubroker verifications list` shows what comes of it.');
  else showList(outcomes, { json, columns: outcomeColumns, nothing: 'No GPU was challenged.' });
  return outcomes.some(({ outcome }) => outcome === 'failed') ? 1 : 0;
}

/** @returns the exit code: 1 where it does not fit */
export async function checkFit(client: Client, json: boolean, id: string, body: FitRequest): Promise<number> {
  const fit = await client.call('POST /gpus/{id}/fit', { params: { id }, body });
  if (json) printJson(fit);
  else {
    showList(fit.checks, { json, columns: checkColumns, nothing: 'Nothing was asked of it.' });
    print(fit.fits ? 'It fits.' : 'It does not fit.');
  }
  return fit.fits ? 0 : 1;
}
