// `gpubroker audit`: who did what, and whether the log is as it was written.
import type { AuditEntryView, AuditQuery } from '../../api/audit.ts';
import { ChainCheck, type ChainPoint, type ChainVerdict } from '../../api/audit-chain.ts';
import type { Client } from '../../client/client.ts';
import { exitCodes } from '../exit-codes.ts';
import { print, printJson, remark } from '../output.ts';
import { type Columns, collect, pageFor, showList } from './show.ts';

const columns: Columns<AuditEntryView> = {
  SEQ: ({ seq }) => seq,
  AT: ({ at }) => at,
  WHO: ({ actor }) => `${actor.kind} ${actor.id ?? ''}`.trim(),
  ACTION: ({ action }) => action,
  TARGET: ({ target }) => (target ? `${target.kind} ${target.id}` : ''),
  OUTCOME: ({ outcome }) => outcome,
};

/** Entries between two lines of progress. */
const progressEvery = 10_000;

export async function listAudit(client: Client, json: boolean, query: AuditQuery, limit: number): Promise<void> {
  const items = await collect(client.all('GET /audit', { query: { ...query, ...pageFor(limit) } }), limit);
  showList(items, { json, columns, nothing: 'Nothing was recorded.' });
}

/**
 * Reads the whole log and computes its chain here; returns the exit code.
 * @param remembered an end that the log had, which must still be a part of it
 */
export async function verifyAudit(client: Client, json: boolean, remembered?: ChainPoint): Promise<number> {
  const { start, end } = await client.call('GET /audit/chain', {});
  const verdict = await check(client, start, end, remembered);
  if (json) printJson(verdict);
  else if (verdict.valid)
    print(`The audit log is as it was written: ${verdict.entries} entries, up to ${verdict.end.seq}.`);
  else print(`The audit log was changed at entry ${verdict.seq}: ${verdict.reason}.`);
  return verdict.valid ? exitCodes.ok : exitCodes.failed;
}

/** Up to `end`: what is appended meanwhile does not matter. */
async function check(
  client: Client,
  start: ChainPoint,
  end: ChainPoint,
  remembered: ChainPoint | undefined,
): Promise<ChainVerdict> {
  const chain = new ChainCheck(start, remembered);
  let read = 0;
  const query = { order: 'oldest', after_seq: start.seq, limit: 500 } as const;
  for await (const entry of client.all('GET /audit', { query })) {
    if (entry.seq > end.seq) break;
    const verdict = chain.add([entry]);
    if (!verdict.valid) return verdict;
    if (++read % progressEvery === 0) remark(`${read} entries are right so far.`);
  }
  return chain.finish(end);
}
