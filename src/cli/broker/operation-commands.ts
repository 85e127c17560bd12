// The commands for operation: incidents, alerts, what happens, and who did what.
import { type Command, Option } from 'commander';
import type { Alert } from '../../api/alerts.ts';
import type { AuditQuery } from '../../api/audit.ts';
import type { IncidentQuery } from '../../api/incidents.ts';
import { command, given, listed, textOf } from './command.ts';
import { brokerGroup } from './run.ts';

/** Adds them; `done` receives the exit code of a command that is not simply done. */
export function addOperationCommands(program: Command, done: (exitCode: number) => void): void {
  addIncidents(program);
  addAlerts(program);
  addAudit(program, done);
  addChanges(program);
}

function addIncidents(program: Command): void {
  const group = brokerGroup(program, 'incidents', 'what went wrong on nodes', 'gpubroker incidents list');
  const file = () => import('./incidents.ts');
  listed(
    group,
    'list',
    'show a line for each incident that is not closed',
    'gpubroker incidents list --severity critical',
    async (client, json, flags) => {
      const status = flags.status === 'all' ? undefined : (flags.status as IncidentQuery['status']);
      const severity = flags.severity as IncidentQuery['severity'];
      const query = given<IncidentQuery>({ status, severity, kind: textOf(flags.kind) });
      await (await file()).listIncidents(client, json, query, flags.limit);
    },
  )
    .addOption(new Option('--status <status>').choices(['open', 'acknowledged', 'closed', 'all']).default('open'))
    .addOption(new Option('--severity <severity>').choices(['info', 'warning', 'critical']))
    .option('--kind <kind>', 'for instance node-offline');
  command(group, 'get <id>', 'show one', 'gpubroker incidents get 0198…', async (client, json, _flags, id = '') =>
    (await file()).showIncident(client, json, id),
  );
  command(
    group,
    'acknowledge <id>',
    'say that you look after it',
    'gpubroker incidents acknowledge 0198…',
    async (client, json, _flags, id = '') => (await file()).acknowledgeIncident(client, json, id),
  );
  command(
    group,
    'close <id>',
    'close it by hand',
    'gpubroker incidents close 0198… --reason "card replaced"',
    async (client, json, flags, id = '') => (await file()).closeIncident(client, json, id, String(flags.reason)),
  ).requiredOption('--reason <text>', 'why');
}

function addAlerts(program: Command): void {
  const group = brokerGroup(program, 'alerts', 'what fires, and the rules that say when', 'gpubroker alerts list');
  const file = () => import('./alerts.ts');
  listed(group, 'list', 'show a line for each alert', 'gpubroker alerts list', async (client, json, flags) =>
    (await file()).listAlerts(client, json, flags.status as Alert['status'], flags.limit),
  ).addOption(new Option('--status <status>').choices(['pending', 'firing', 'resolved']).default('firing'));
  command(
    group,
    'get <id>',
    'show one, with what was sent',
    'gpubroker alerts get 0198…',
    async (client, json, _flags, id = '') => (await file()).showAlert(client, json, id),
  );
  listed(group, 'rules', 'show a line for each rule', 'gpubroker alerts rules', async (client, json, { limit }) =>
    (await file()).listRules(client, json, limit),
  );
  command(
    group,
    'add-rule <file>',
    'make a rule from a YAML or JSON file',
    'gpubroker alerts add-rule offline.yaml',
    async (client, json, _flags, path = '') => (await file()).addRule(client, json, path),
  );
  command(
    group,
    'test-rule <id>',
    'send a trial message through every channel of a rule',
    'gpubroker alerts test-rule 0198…',
    async (client, json, _flags, id = '') => (await file()).testRule(client, json, id),
  );
  command(
    group,
    'delete-rule <id>',
    'remove a rule',
    'gpubroker alerts delete-rule 0198…',
    async (client, json, _flags, id = '') => (await file()).deleteRule(client, json, id),
  );
}

function addAudit(program: Command, done: (exitCode: number) => void): void {
  const group = brokerGroup(program, 'audit', 'who did what', 'gpubroker audit verify');
  const file = () => import('./audit.ts');
  listed(
    group,
    'list',
    'show a line for each entry, newest first',
    'gpubroker audit list --action node.decommission',
    async (client, json, flags) => {
      const outcome = flags.outcome as AuditQuery['outcome'];
      const query = given<AuditQuery>({ action: textOf(flags.action), outcome, target_id: textOf(flags.target) });
      await (await file()).listAudit(client, json, query, flags.limit);
    },
  )
    .option('--action <action>', 'for instance node.operate')
    .option('--target <id>', 'about this thing alone')
    .addOption(new Option('--outcome <outcome>').choices(['allowed', 'refused', 'failed']));
  command(
    group,
    'verify',
    'read the whole log, and check here that nothing in it was changed',
    'gpubroker audit verify',
    async (client, json) => done(await (await file()).verifyAudit(client, json)),
  );
}

function addChanges(program: Command): void {
  command(
    program,
    'changes',
    'show what happens to nodes, GPUs and incidents, until Ctrl-C',
    'gpubroker changes --json | jq .kind',
    async (client, json) => {
      const stop = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
      await (await import('./changes.ts')).followChanges(client, json, stop.signal);
    },
  );
}
