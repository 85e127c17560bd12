// `gpubroker alerts`: what fires, and the rules that say when.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { Alert, AlertRule, CreateAlertRule, UpdateAlertRule } from '../../api/alerts.ts';
import type { Client } from '../../client/client.ts';
import { messageOf } from '../../daemon/errors.ts';
import { wrongUsage } from '../errors.ts';
import { ago, type Columns, collect, pageFor, showDone, showList, showOne, word } from './show.ts';

const alertColumns: Columns<Alert> = {
  ID: ({ id }) => id,
  STATUS: ({ status }) => status,
  SEVERITY: ({ severity }) => word(severity),
  RULE: ({ rule_name }) => rule_name,
  GROUP: ({ group }) => group,
  SUBJECTS: ({ subject_count }) => subject_count,
  OPENED: ({ opened_at }) => ago(opened_at),
};

const ruleColumns: Columns<AlertRule> = {
  ID: ({ id }) => id,
  NAME: ({ name }) => name,
  WHEN: ({ condition }) =>
    condition.type === 'incident'
      ? `incident ${condition.kinds?.join(', ') ?? 'of any kind'}`
      : `${condition.metric} ${condition.comparison} ${condition.value}`,
  CHANNELS: ({ channels }) => channels.map(({ type }) => type).join(', '),
  ENABLED: ({ enabled, muted_until }) => (muted_until ? `muted until ${muted_until}` : enabled ? 'yes' : 'no'),
};

export async function listAlerts(client: Client, json: boolean, status: Alert['status'], limit: number): Promise<void> {
  const items = await collect(client.all('GET /alerts', { query: { status, ...pageFor(limit) } }), limit);
  showList(items, { json, columns: alertColumns, nothing: `No alert is ${status}.` });
}

export async function showAlert(client: Client, json: boolean, id: string): Promise<void> {
  showOne(await client.call('GET /alerts/{id}', { params: { id } }), json);
}

export async function listRules(client: Client, json: boolean, limit: number): Promise<void> {
  const nothing = 'No rule; `gpubroker alerts add-rule` makes one.';
  showList(await collect(client.all('GET /alert-rules', { query: pageFor(limit) }), limit), {
    json,
    columns: ruleColumns,
    nothing,
  });
}

/** From a YAML or JSON file, for a rule has channels with secrets, which do not belong on a command line. */
export async function addRule(client: Client, json: boolean, file: string): Promise<void> {
  const rule = await client.call('POST /alert-rules', { body: readRule<CreateAlertRule>(file) });
  showDone(rule, `Made rule ${rule.name}: ${rule.id}`, json);
}

export async function showRule(client: Client, json: boolean, id: string): Promise<void> {
  showOne(await client.call('GET /alert-rules/{id}', { params: { id } }), json);
}

/** What the file does not name stays as it is. */
export async function changeRule(client: Client, json: boolean, id: string, file: string): Promise<void> {
  const body = readRule<UpdateAlertRule>(file);
  const rule = await client.call('PATCH /alert-rules/{id}', { params: { id }, body });
  showDone(rule, `Changed rule ${rule.name}.`, json);
}

/** Until when nothing is sent; ISO 8601, or null for a rule that is to speak again. */
export async function muteRule(client: Client, json: boolean, id: string, until: string | null): Promise<void> {
  const rule = await client.call('PATCH /alert-rules/{id}', { params: { id }, body: { muted_until: until } });
  showDone(rule, until === null ? `${rule.name} is not muted.` : `${rule.name} is muted until ${until}.`, json);
}

/** Sends a trial message through every channel; says which arrived. */
export async function testRule(client: Client, json: boolean, id: string): Promise<void> {
  const { outcomes } = await client.call('POST /alert-rules/{id}/test', { params: { id } });
  const columns: Columns<(typeof outcomes)[number]> = {
    CHANNEL: ({ type }) => type,
    OUTCOME: ({ outcome }) => outcome,
    ERROR: ({ error }) => error,
  };
  showList(outcomes, { json, columns, nothing: 'The rule has no channel.' });
}

export async function deleteRule(client: Client, json: boolean, id: string): Promise<void> {
  await client.call('DELETE /alert-rules/{id}', { params: { id } });
  showDone({ success: true }, `Deleted rule ${id}.`, json);
}

/** What is wrong in it the broker says. */
function readRule<Rule extends object>(file: string): Rule {
  const rule = parseFile(file);
  if (typeof rule !== 'object' || rule === null || Array.isArray(rule)) throw wrongUsage(`${file} holds no rule`);
  return rule as Rule;
}

function parseFile(file: string): unknown {
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch (error) {
    // The YAML reader shows the lines around the place; the first says what is wrong and where.
    throw wrongUsage(`${file}: ${messageOf(error).split('\n', 1)[0]}`);
  }
}
