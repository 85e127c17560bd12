// The commands for operation: incidents, alerts, what happens, and who did what.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Alert } from '../../api/alerts.ts';
import type { AuditQuery } from '../../api/audit.ts';
import { type ChainPoint, readChainPoint } from '../../api/audit-chain.ts';
import type { IncidentFiguresQuery, IncidentQuery } from '../../api/incidents.ts';
import { command, durationOf, given, listed, textOf, timeOf } from './command.ts';
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
      const severity = flags.severity as IncidentQuery['severity'];
      const query = given<IncidentQuery>({
        severity,
        kind: textOf(flags.kind),
        cluster_id: textOf(flags.cluster),
        node_id: textOf(flags.node),
        gpu_id: textOf(flags.gpu),
      });
      const status = flags.status as keyof typeof import('./incidents.ts').incidentStatuses;
      await (await file()).listIncidents(client, json, { query, status, limit: flags.limit });
    },
  )
    .addOption(
      new Option('--status <status>', 'active: open or acknowledged')
        .choices(['active', 'open', 'acknowledged', 'closed', 'all'])
        .default('active'),
    )
    .addOption(new Option('--severity <severity>').choices(['info', 'warning', 'critical']))
    .option('--kind <kind>', 'for instance node-offline')
    .option('--cluster <id>', 'of this cluster alone')
    .option('--node <id>', 'of this node alone')
    .option('--gpu <id>', 'of this GPU alone');
  command(
    group,
    'figures',
    'show how often what goes wrong, and how fast it is answered',
    'gpubroker incidents figures --from 720h',
    async (client, json, flags) => {
      const query = given<IncidentFiguresQuery>({ from: textOf(flags.from), to: textOf(flags.to) });
      await (await file()).showFigures(client, json, query);
    },
  )
    .addOption(new Option('--from <time>', 'opened since then').argParser(timeOf))
    .addOption(new Option('--to <time>', 'opened before then').argParser(timeOf));
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
    'get-rule <id>',
    'show a rule',
    'gpubroker alerts get-rule 0198…',
    async (client, json, _flags, id = '') => (await file()).showRule(client, json, id),
  );
  command(
    group,
    'change-rule <id> <file>',
    'change what a YAML or JSON file names of a rule',
    'gpubroker alerts change-rule 0198… offline.yaml',
    async (client, json, _flags, id = '', path = '') => (await file()).changeRule(client, json, id, path),
  );
  addMuting(group);
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

function addMuting(group: Command): void {
  const file = () => import('./alerts.ts');
  command(
    group,
    'mute-rule <id>',
    'have a rule send nothing for a while',
    'gpubroker alerts mute-rule 0198… --lasting 2h',
    async (client, json, flags, id = '') => {
      const until = new Date(Date.now() + Number(flags.lasting)).toISOString();
      await (await file()).muteRule(client, json, id, until);
    },
  ).addOption(new Option('--lasting <duration>', 'how long').default(3_600_000, '1h').argParser(durationOf));
  command(
    group,
    'unmute-rule <id>',
    'have a rule speak again',
    'gpubroker alerts unmute-rule 0198…',
    async (client, json, _flags, id = '') => (await file()).muteRule(client, json, id, null),
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
      const query = given<AuditQuery>({
        action: textOf(flags.action),
        outcome,
        target_id: textOf(flags.target),
        from: textOf(flags.from),
        to: textOf(flags.to),
      });
      await (await file()).listAudit(client, json, query, flags.limit);
    },
  )
    .option('--action <action>', 'for instance node.operate')
    .option('--target <id>', 'about this thing alone')
    .addOption(new Option('--from <time>', 'since then').argParser(timeOf))
    .addOption(new Option('--to <time>', 'before then').argParser(timeOf))
    .addOption(new Option('--outcome <outcome>').choices(['allowed', 'refused', 'failed']));
  command(
    group,
    'verify',
    'read the whole log, and check here that nothing in it was changed',
    'gpubroker audit verify',
    async (client, json, flags) =>
      done(await (await file()).verifyAudit(client, json, flags.expectEnd as ChainPoint | undefined)),
  ).addOption(
    new Option('--expect-end <seq:hash>', 'an end that the log had (from verify --json), to be found in it').argParser(
      pointOf,
    ),
  );
}

function pointOf(text: string): ChainPoint {
  const point = readChainPoint(text);
  if (!point) throw new InvalidArgumentError('Give the number of an entry and its hash, SEQ:HASH.');
  return point;
}

function addChanges(program: Command): void {
  command(
    program,
    'changes',
    'show what happens to nodes, GPUs and incidents, until Ctrl-C',
    'gpubroker changes --json | jq .kind',
    async (client, json) => {
      const { followChanges } = await import('./changes.ts');
      const { untilInterrupted } = await import('./follow.ts');
      await untilInterrupted((stop) => followChanges(client, json, stop));
    },
  );
}
