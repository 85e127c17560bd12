// The commands for supply: providers, clusters, nodes, and the tokens with which they join.
import { type Command, Option } from 'commander';
import type { ClusterQuery } from '../../api/clusters.ts';
import type { NodeQuery } from '../../api/nodes.ts';
import type { ProviderChange, ProviderQuery } from '../../api/providers.ts';
import { command, countOf, durationOf, given, listed, textOf } from './command.ts';
import { addNodePricing } from './node-pricing-commands.ts';
import { brokerGroup } from './run.ts';

/** Adds them. */
export function addSupplyCommands(program: Command): void {
  addProviders(program);
  addClusters(program);
  addNodes(program);
  addTokens(program);
}

function addProviders(program: Command): void {
  const group = brokerGroup(program, 'providers', 'who brings GPUs', 'gpubroker providers list');
  const file = () => import('./providers.ts');
  listed(group, 'list', 'show a line for each provider', 'gpubroker providers list', async (client, json, flags) => {
    const query = given<ProviderQuery>({ status: flags.status as ProviderQuery['status'] });
    await (await file()).listProviders(client, json, query, flags.limit);
  }).addOption(new Option('--status <status>', 'in this status').choices(['pending_kyc', 'verified', 'suspended']));
  command(group, 'get <id>', 'show one', 'gpubroker providers get 0198…', async (client, json, _flags, id = '') =>
    (await file()).showProvider(client, json, id),
  );
  command(
    group,
    'create <name>',
    'register one, which is yours',
    'gpubroker providers create north --company "Northern GPUs GmbH"',
    async (client, json, flags, name = '') =>
      (await file()).createProvider(client, json, name, String(flags.company ?? name)),
  ).option('--company <company>', 'whose it is (default: the name)');
  command(
    group,
    'change <id>',
    'name it anew',
    'gpubroker providers change 0198… --name south',
    async (client, json, flags, id = '') => {
      const change = given<ProviderChange>({ name: textOf(flags.name), company: textOf(flags.company) });
      await (await file()).changeProvider(client, json, id, change);
    },
  )
    .option('--name <name>', 'its name from now on')
    .option('--company <company>', 'whose it is');
  command(
    group,
    'verify <id>',
    'let it sell (admins)',
    'gpubroker providers verify 0198…',
    async (client, json, _flags, id = '') => (await file()).verifyProvider(client, json, id),
  );
  command(
    group,
    'suspend <id>',
    'let it sell no more (admins)',
    'gpubroker providers suspend 0198… --reason "unpaid fees"',
    async (client, json, flags, id = '') => (await file()).suspendProvider(client, json, id, String(flags.reason)),
  ).requiredOption('--reason <text>', 'why; the provider sees it');
  command(
    group,
    'delete <id>',
    'remove an empty one',
    'gpubroker providers delete 0198…',
    async (client, json, _flags, id = '') => (await file()).deleteProvider(client, json, id),
  );
}

function addClusters(program: Command): void {
  const group = brokerGroup(program, 'clusters', 'nodes of one provider in one place', 'gpubroker clusters list');
  const file = () => import('./clusters.ts');
  listed(group, 'list', 'show a line for each cluster', 'gpubroker clusters list', async (client, json, flags) => {
    const query = given<ClusterQuery>({ provider_id: textOf(flags.provider), region: textOf(flags.region) });
    await (await file()).listClusters(client, json, query, flags.limit);
  })
    .option('--provider <id>', 'of this provider alone')
    .option('--region <region>', 'in this region alone');
  command(group, 'get <id>', 'show one', 'gpubroker clusters get 0198…', async (client, json, _flags, id = '') =>
    (await file()).showCluster(client, json, id),
  );
  command(
    group,
    'create <name>',
    'make one',
    'gpubroker clusters create rack-1 --provider 0198… --region eu-central-1',
    async (client, json, flags, name = '') => {
      const given = { provider: String(flags.provider), region: String(flags.region) };
      await (await file()).createCluster(client, json, name, given);
    },
  )
    .requiredOption('--provider <id>', 'whose it is')
    .requiredOption('--region <region>', 'where it is');
  command(
    group,
    'delete <id>',
    'remove an empty one',
    'gpubroker clusters delete 0198…',
    async (client, json, _flags, id = '') => (await file()).deleteCluster(client, json, id),
  );
}

function addNodes(program: Command): void {
  const group = brokerGroup(program, 'nodes', 'the machines that GPUs sit in', 'gpubroker nodes list --status offline');
  const file = () => import('./nodes.ts');
  listed(
    group,
    'list',
    'show a line for each node',
    'gpubroker nodes list --status offline',
    async (client, json, flags) => {
      const status = textOf(flags.status) as NodeQuery['status'];
      const query = given<NodeQuery>({
        cluster_id: textOf(flags.cluster),
        provider_id: textOf(flags.provider),
        hostname: textOf(flags.hostname),
        status,
        include_decommissioned: flags.decommissioned === true ? true : undefined,
      });
      await (await file()).listNodes(client, json, query, flags.limit);
    },
  )
    .option('--cluster <id>', 'of this cluster alone')
    .option('--provider <id>', 'of this provider alone')
    .option('--hostname <hostname>', 'of this name')
    .option('--decommissioned', 'also those that are out for good')
    .addOption(new Option('--status <status>', 'in this status').choices(['healthy', 'degraded', 'offline']));
  command(
    group,
    'get <id>',
    'show one with its GPUs',
    'gpubroker nodes get 0198…',
    async (client, json, _flags, id = '') => (await file()).showNode(client, json, id),
  );
  command(
    group,
    'add <hostname>',
    'register one; prints the token with which it joins',
    'gpubroker nodes add gpu-01 --cluster 0198…',
    async (client, json, flags, hostname = '') => (await file()).addNode(client, json, hostname, String(flags.cluster)),
  ).requiredOption('--cluster <id>', 'the cluster that it is in');
  command(
    group,
    'token <id>',
    'make a new token for one that has not joined or lost its disk; prints it this once',
    'gpubroker nodes token 0198… > token',
    async (client, json, _flags, id = '') => (await file()).renewToken(client, json, id),
  );
  addOperations(group);
  addNodePricing(group);
}

function addOperations(group: Command): void {
  const file = () => import('./nodes.ts');
  const operations = {
    cordon: 'give it no new leases',
    uncordon: 'give it leases again',
    drain: 'let its leases end, and give it no new ones',
    decommission: 'take it out for good',
  } as const;
  for (const [name, description] of Object.entries(operations)) {
    const example = `gpubroker nodes ${name} 0198…`;
    command(group, `${name} <id>`, description, example, async (client, json, _flags, id = '') =>
      (await file()).operateNode(client, json, id, name as keyof typeof operations),
    );
  }
  command(
    group,
    'pull <id>',
    'have it send its whole inventory now',
    'gpubroker nodes pull 0198…',
    async (client, json, _flags, id = '') => (await file()).pullInventory(client, json, id),
  );
  command(group, 'delete <id>', 'remove it', 'gpubroker nodes delete 0198…', async (client, json, _flags, id = '') =>
    (await file()).deleteNode(client, json, id),
  );
}

function addTokens(program: Command): void {
  const group = brokerGroup(program, 'tokens', 'with which a fleet of nodes joins', 'gpubroker tokens list 0198…');
  const file = () => import('./tokens.ts');
  listed(
    group,
    'list <cluster>',
    'show those of a cluster',
    'gpubroker tokens list 0198…',
    async (client, json, flags, id = '') => (await file()).listTokens(client, json, id, flags.limit),
  );
  command(
    group,
    'create <cluster>',
    'make one, and print it this once',
    'gpubroker tokens create 0198… --max-uses 50 --lifetime 24h > token',
    async (client, json, flags, id = '') => {
      const given = { maxUses: Number(flags.maxUses), lifetime: Number(flags.lifetime) };
      await (await file()).createToken(client, json, id, given);
    },
  )
    .addOption(new Option('--max-uses <number>', 'how many nodes may join with it').default(1).argParser(countOf))
    .addOption(new Option('--lifetime <duration>', 'how long').default(86_400_000, '24h').argParser(durationOf));
  command(
    group,
    'revoke <cluster> <id>',
    'let nobody join with it any more',
    'gpubroker tokens revoke 0198… 0199…',
    async (client, json, _flags, cluster = '', id = '') => (await file()).revokeToken(client, json, cluster, id),
  );
}
